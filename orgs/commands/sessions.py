"""End sessions of a person: one, or all of them with the login tokens."""

from datetime import timedelta

from allauth.core import context as current
from django.db import transaction
from django.utils import timezone

from orgs.commands.factors.logins import end_logins
from orgs.models import Session, User
from orgs.queries.sessions import handle_of, list_sessions
from orgs.security_log import Kind, record

_BATCH = 5_000
# A form that is sent after its session ended finds its owner by the row.
_RETENTION = timedelta(hours=12)


def end_session(user: User, handle: str) -> bool:
    """End the session of a person that has this handle; false if there is none."""
    sessions = list_sessions(user)
    match = next((one for one in sessions if handle_of(one.pk) == handle), None)
    if match is None:
        return False
    Session.objects.filter(pk=match.pk).delete()
    record(Kind.SESSION_ENDED, subject=user, details={"address": match.address})
    return True


@transaction.atomic
def end_all_sessions(user: User, *, reason: str = "") -> None:
    """End all sessions and login tokens of a person; `reason` is for the security log.

    The session of the present request goes on, with a new key, if it is the person's.
    """
    end_logins(user.pk)
    record(Kind.SESSIONS_ENDED, subject=user, details={"reason": reason})


def delete_ended_sessions(user_id: int) -> None:
    """Delete the rows of sessions whose logins ended, but that of the present request.

    They would be refused anyway; without rows they are no longer shown.
    """
    session = getattr(current.request, "session", None)
    key = session.session_key if session is not None else None
    Session.objects.filter(user_id=user_id).exclude(pk=key or "").delete()


def delete_expired_sessions() -> bool:
    """Delete a batch of sessions that expired hours ago; true if more may be left."""
    limit = timezone.now() - _RETENTION
    expired = Session.objects.filter(expire_date__lt=limit)
    keys = list(expired.values_list("pk", flat=True)[:_BATCH])
    Session.objects.filter(pk__in=keys, expire_date__lt=limit).delete()
    return len(keys) == _BATCH
