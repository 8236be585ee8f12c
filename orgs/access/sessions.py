"""Browser sessions: rows that know their user, device, and last use, and their limits.

A session ends when it was not used for `SESSION_IDLE_MINUTES`, or `SESSION_MAX_HOURS`
after its login, whatever the browser keeps; `expire_date` of its row is the earlier of
the two. Its last use is written at most once a minute.
"""

from datetime import datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as BaseSessionStore
from django.http import HttpRequest
from django.utils import timezone

from orgs.access.addresses import client_address
from orgs.errors import DomainError
from orgs.models import Session

_BEGAN = "began_at"  # seconds since 1970: of the login
_CONFIRMED = "confirmed_at"  # seconds since 1970: of the login or a later confirmation
_RECORD_USE_EVERY = timedelta(minutes=1)
_LONGEST_AGENT = 300


class SessionStore(BaseSessionStore):
    """Django's sessions in the database, in rows of `orgs.models.Session`."""

    request: HttpRequest | None = None  # of which the row states address and device
    row: Session | None = None

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """Return the model of the rows."""
        return Session

    def _get_session_from_db(self) -> Session | None:
        self.row = super()._get_session_from_db()  # type: ignore[misc]  # not in stubs
        return self.row

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """Return the row of the session, used now."""
        row = cast("Session", super().create_model_instance(data))
        user_id = data.get(SESSION_KEY)
        row.user_id = int(user_id) if user_id else None
        row.began_at, row.last_seen_at = self.began_at, timezone.now()
        row.address, row.user_agent = self._client()
        return row

    @property
    def began_at(self) -> datetime:
        """The instant of the login; now for a session without one."""
        began = self.get(_BEGAN)
        return _instant(began) if began else timezone.now()

    def get_expiry_age(self, **_: Any) -> int:
        """Return the seconds after which the cookie ends, however often it is used."""
        end = self.began_at + settings.SESSION_LONGEST
        return max(0, round((end - timezone.now()).total_seconds()))

    def get_expiry_date(self, **_: Any) -> datetime:
        """Return when the session ends if it is not used again."""
        idle = timezone.now() + settings.SESSION_IDLE
        return min(idle, self.began_at + settings.SESSION_LONGEST)

    def note_use(self) -> None:
        """Write that the session is in use, unless that was written a moment ago."""
        now = timezone.now()
        if self.row is None or now - self.row.last_seen_at < _RECORD_USE_EVERY:
            return
        address, user_agent = self._client()
        Session.objects.filter(pk=self.row.pk).update(
            last_seen_at=now,
            expire_date=self.get_expiry_date(),
            address=address,
            user_agent=user_agent,
        )

    def _client(self) -> tuple[str, str]:
        """Return address and device of the request, or what the row states of them."""
        if self.request is None:
            return (self.row.address, self.row.user_agent) if self.row else ("", "")
        agent = self.request.headers.get("User-Agent", "")
        valid = agent.encode("utf-8", "replace").decode().replace("\x00", "")
        return _address(self.request), valid[:_LONGEST_AGENT]


def begin_session(request: HttpRequest) -> None:
    """Note in the session of a login when it began."""
    now = timezone.now().timestamp()
    request.session[_BEGAN] = request.session[_CONFIRMED] = now


def confirm_session(request: HttpRequest) -> None:
    """Note that the person has just proven who they are, and change the session's key.

    A key that was copied before is worth nothing from now on.
    """
    request.session[_CONFIRMED] = timezone.now().timestamp()
    request.session.cycle_key()


def is_recently_confirmed(request: HttpRequest) -> bool:
    """Return whether the person logged in or confirmed it within the last minutes.

    The minutes are `REAUTHENTICATION_MINUTES`. False without a session.
    """
    session = getattr(request, "session", None)
    confirmed = session.get(_CONFIRMED) if session is not None else None
    if not confirmed:
        return False
    age = timezone.now() - _instant(confirmed)
    return timedelta() <= age < settings.REAUTHENTICATION


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=timezone.get_default_timezone())


def _address(request: HttpRequest) -> str:
    try:
        return client_address(request)
    except DomainError:  # a malformed header, which is refused later
        return ""
