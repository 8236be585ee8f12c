"""Whose turn it is: what nobody handles, what is old, what people ask for again."""

from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from billing.commands.inbox.receiving import NUDGED_WITHIN
from billing.models import InboxEvent

LEASE = timedelta(minutes=5)
KEPT = timedelta(days=30)
_PUT_OFF = timedelta(minutes=5)
_State = InboxEvent.State
_NEEDS_SOMEBODY = (_State.PARKED, _State.FAILED, _State.IGNORED)


def claim(id_: int) -> InboxEvent | None:
    """Take an event for the time of a lease, unless somebody has it or it has ended."""
    now = timezone.now()
    free = Q(state=_State.PENDING) | Q(state=_State.PROCESSING, leased_until__lte=now)
    claimed = InboxEvent.objects.filter(free, id=id_).update(
        state=_State.PROCESSING, attempts=F("attempts") + 1, leased_until=now + LEASE
    )
    return InboxEvent.objects.get(id=id_) if claimed else None


@transaction.atomic
def take_forgotten(limit: int) -> list[int]:
    """Rows that wait for nobody: not nudged, due again, or their worker died.

    They are put off a little, so that a sweep does not repeat the one before.
    """
    now = timezone.now()
    waiting = Q(state=_State.PENDING, due_at__lte=now)
    dead = Q(state=_State.PROCESSING, leased_until__lte=now)
    rows = InboxEvent.objects.filter(waiting | dead).order_by("due_at")
    ids = list(
        rows.select_for_update(skip_locked=True).values_list("id", flat=True)[:limit]
    )
    InboxEvent.objects.filter(id__in=ids).update(due_at=now + _PUT_OFF)
    return ids


def prune() -> int:
    """Forget what is done for a month; what needs somebody stays."""
    old = InboxEvent.objects.filter(
        received_at__lt=timezone.now() - KEPT, state__in=[_State.DONE, _State.IGNORED]
    )
    return old.delete()[0]


def resend(id_: int) -> bool:
    """Try a parked, failed or ignored one anew; whether it was one."""
    ended = InboxEvent.objects.filter(id=id_, state__in=_NEEDS_SOMEBODY)
    return bool(
        ended.update(
            state=_State.PENDING,
            reason="",
            error="",
            attempts=0,
            due_at=timezone.now() + NUDGED_WITHIN,
            leased_until=None,
            finished_at=None,
        )
    )


def ignore(id_: int, *, by: str) -> bool:
    """Nobody needs to look at it any more; whether anybody had to."""
    rows = InboxEvent.objects.filter(id=id_, state__in=[_State.PARKED, _State.FAILED])
    return bool(rows.update(state=_State.IGNORED, reason=f"by {by}"[:200]))
