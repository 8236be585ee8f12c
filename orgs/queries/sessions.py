"""The sessions of a person, as pages list them."""

from collections.abc import Sequence
from hashlib import sha256

from django.utils import timezone

from orgs.models import Session, User

_HANDLE_LENGTH = 32
_MOST_SHOWN = 100


def list_sessions(user: User) -> Sequence[Session]:
    """Return the sessions of a person that are not over, the last used first."""
    rows = Session.objects.filter(user=user, expire_date__gt=timezone.now())
    rows = rows.defer("session_data").order_by("-last_seen_at", "pk")
    return list(rows[:_MOST_SHOWN])


def find_expired_owner(session_key: str) -> int | None:
    """Return the user whose session this was until a while ago, if the row is left.

    Its key proves nothing any more, but says whose form it was that came too late.
    """
    rows = Session.objects.filter(pk=session_key, expire_date__lte=timezone.now())
    return rows.filter(user__is_active=True).values_list("user", flat=True).first()


def handle_of(session_key: str) -> str:
    """Return what names a session on pages: its key is a secret, this is not."""
    return sha256(session_key.encode()).hexdigest()[:_HANDLE_LENGTH]
