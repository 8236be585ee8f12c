"""What an installation that others can reach must not run with.

Web, worker, and beat refuse to start with any of it, in one line each that says what to
do; `manage.py check --deploy` reports the same. `ALLOW_UNSAFE` allows one by its name.
"""

import logging
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from math import log2
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created

from orgs.networks import is_loopback

logger = logging.getLogger(__name__)
STARTED = frozenset({"web", "worker", "beat"})  # values of ORGDESK_PROCESS
FAKE_KEY = "sk_test_fake"
_LEAST_LENGTH, _LEAST_BITS = 50, 128
_GUESSABLE = ("django-insecure", "changeme", "change-me", "change_me", "secret-key")
_SECRET_FILES = ("secret_key", "admin_password", "demo_password", "stripe/key",
                 "stripe/webhook_secret", "logs")  # fmt: skip


class Problem(NamedTuple):
    """Something unsafe: its name for `ALLOW_UNSAFE`, and what to do."""

    id: str
    text: str


def find_problems() -> list[Problem]:
    """Return what the settings and the state folder have that is unsafe."""
    return [
        Problem(id_, text)
        for id_, find in _CHECKS.items()
        if id_ not in settings.ALLOW_UNSAFE and (text := find())
    ]


def _secret_key() -> str:
    key = settings.SECRET_KEY
    if settings.LOOPBACK_ONLY or not _is_weak(key):
        return ""
    return (
        "SECRET_KEY can be guessed: set 50 or more random characters, as"
        " `python -c 'import secrets; print(secrets.token_urlsafe(50))'` prints."
    )


def _is_weak(key: str) -> bool:
    counts = Counter(key).values()
    bits = sum(-count * log2(count / len(key)) for count in counts)
    return (
        len(key) < _LEAST_LENGTH
        or bits < _LEAST_BITS
        or key in (key + key)[1:-1]  # a text that is repeated
        or any(word in key.lower() for word in _GUESSABLE)
    )


def _debug() -> str:
    if settings.LOOPBACK_ONLY or not settings.DEBUG:
        return ""
    return "DEBUG shows settings and source code to everyone: set DEBUG=0."


def _any_host() -> str:
    if "*" not in settings.ALLOWED_HOSTS:
        return ""
    return "ALLOWED_HOSTS=* accepts every host name: list those of this installation."


def _plain_http() -> str:
    if settings.HTTPS_ONLY or all(map(is_loopback, settings.ALLOWED_HOSTS)):
        return ""
    return "Passwords and keys would travel without TLS: set HTTPS_ONLY=1."


def _proxy() -> str:
    if not settings.HTTPS_ONLY or settings.TRUSTED_PROXIES or settings.PROCESS != "web":
        return ""
    return (
        "TLS ends at a proxy, but none is trusted: set TRUSTED_PROXY_COUNT to how many"
        " proxies are in front, or every request is redirected and every client has the"
        " proxy's address."
    )


def _email() -> str:
    if settings.LOOPBACK_ONLY or settings.HAS_MAIL_HOST:
        return ""
    return (
        "Nothing can be sent by email: set EMAIL_URL, as smtp+tls://name:password@host."
    )


def _fake_stripe() -> str:
    is_fake = settings.STRIPE_SECRET_KEY.startswith(FAKE_KEY)
    if not (is_fake and settings.DATABASE_URL_IS_SET):
        return ""
    return (
        "STRIPE_SECRET_KEY is that of the fake Stripe, which says that everything is"
        " paid: set the key of your account, or leave it empty."
    )


def _state_folder() -> str:
    if readable := [str(path) for path in _readable(Path(settings.STATE_DIR))]:
        return f"Other users can read {', '.join(readable)}: run `chmod go=` on it."
    return ""


def _readable(folder: Path) -> Iterator[Path]:
    """Yield what other users of the machine can read and should not."""
    if settings.LOOPBACK_ONLY is False and _mode(folder) & stat.S_IRWXO:
        yield folder
        return
    for name in _SECRET_FILES:
        path = folder / name
        is_reachable = not path.is_dir() or bool(_mode(folder) & stat.S_IRWXO)
        if is_reachable and _mode(path) & (stat.S_IRWXG | stat.S_IRWXO):
            yield path


def _mode(path: Path) -> int:
    """Return the permissions of a file or folder; none if it is missing."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


_CHECKS: dict[str, Callable[[], str]] = {
    "secret_key": _secret_key,
    "debug": _debug,
    "any_host": _any_host,
    "plain_http": _plain_http,
    "proxy": _proxy,
    "email": _email,
    "fake_stripe": _fake_stripe,
    "state_folder": _state_folder,
}
DATABASE_ROLE = "database_role"
IDS = frozenset({*_CHECKS, DATABASE_ROLE})


@register(Tags.security, deploy=True)
def check_production(**_: object) -> Sequence[CheckMessage]:
    """Report what is unsafe, for `manage.py check --deploy`: commands go on."""
    return [
        Error(
            problem.text, hint=f"ALLOW_UNSAFE={problem.id}", id=f"orgdesk.{problem.id}"
        )
        for problem in find_problems()
    ]


def require_safe_start() -> None:
    """End a web, worker, or beat process that is unsafe, with a line for each reason.

    Raises `ImproperlyConfigured` in any process if `ALLOW_UNSAFE` has unknown names.
    """
    if unknown := settings.ALLOW_UNSAFE - IDS:
        raise ImproperlyConfigured(
            f"ALLOW_UNSAFE names {', '.join(sorted(unknown))}; known are"
            f" {', '.join(sorted(IDS))}"
        )
    if settings.PROCESS not in STARTED:
        return
    problems = [*find_problems(), *_database_role()]
    for id_ in sorted(settings.ALLOW_UNSAFE):
        logger.warning("unsafe_allowed id=%s", id_)
    if problems:
        lines = [
            f"{each.text} (to allow it: ALLOW_UNSAFE={each.id})" for each in problems
        ]
        sys.exit("\n".join(["Orgdesk refuses to start:", *lines]))


def _database_role() -> list[Problem]:
    """Return the problem of a role that may do everything in the database.

    A database that is away is asked with the first connection.
    """
    if DATABASE_ROLE in settings.ALLOW_UNSAFE or settings.LOOPBACK_ONLY:
        return []
    try:
        is_superuser = _is_superuser()
    except OperationalError:
        connection_created.connect(_check_connection, dispatch_uid=DATABASE_ROLE)
        return []
    finally:
        connection.close()
    return [_SUPERUSER] if is_superuser else []


_SUPERUSER = Problem(
    DATABASE_ROLE,
    "The database role is a superuser, which no history is safe from: use a role that"
    " only owns this database.",
)


def _is_superuser() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select rolsuper from pg_roles where rolname = current_user")
        row = cursor.fetchone()
    return bool(row and row[0])


def _check_connection(**_: object) -> None:
    """Refuse the connection of a superuser, after a start without the database."""
    connection_created.disconnect(dispatch_uid=DATABASE_ROLE)
    if _is_superuser():
        connection_created.connect(_check_connection, dispatch_uid=DATABASE_ROLE)
        raise OperationalError(_SUPERUSER.text)
