"""Queue of webhook events: claimed, swept, resent, ignored and pruned."""

from datetime import timedelta

from django.utils import timezone

from billing.models import StripeEvent
from billing.stripe.commands.webhook_events.intake import ENQUEUED_WITHIN
from orgs.commands import work

RETENTION = timedelta(days=30)
_SWEEP_PAUSE = timedelta(minutes=5)
_State = StripeEvent.State
_NEEDS_REVIEW = (_State.PARKED, _State.FAILED)


def claim(id_: int) -> StripeEvent | None:
    """Claim an event under a lease; null if another worker has it or it has ended."""
    return work.claim(StripeEvent.objects.all(), id_)


def next_attempt_in(id_: int) -> timedelta | None:
    """Return how long until an event is tried again, a second at least.

    Returns null if it has ended.
    """
    rows = StripeEvent.objects.filter(pk=id_, state=_State.PENDING)
    due = rows.values_list("next_attempt_at", flat=True).first()
    if due is None:
        return None
    return max(due - timezone.now(), timedelta()) + timedelta(seconds=1)


def take_forgotten(limit: int) -> list[int]:
    """Return the ids of due events that no queued task will handle.

    An event is swept again only after a pause. After an outage thousands of them wait
    for longer than the minute between two sweeps.
    """
    return work.take_forgotten(StripeEvent.objects.all(), limit, pause=_SWEEP_PAUSE)


def prune() -> int:
    """Delete events that have been done or ignored for 30 days; return how many."""
    old = StripeEvent.objects.filter(
        received_at__lt=timezone.now() - RETENTION,
        state__in=[_State.DONE, _State.IGNORED],
    )
    return old.delete()[0]


def resend(id_: int) -> bool:
    """Handle a parked, failed or ignored event again; false if it was none of these."""
    ended = StripeEvent.objects.filter(
        id=id_, state__in=[*_NEEDS_REVIEW, _State.IGNORED]
    )
    sweep_after = timezone.now() + ENQUEUED_WITHIN
    return work.restart(ended, reason="", sweep_after=sweep_after)


def ignore(id_: int, *, by: str) -> bool:
    """End the review of a parked or failed event; false if it was neither."""
    rows = StripeEvent.objects.filter(id=id_, state__in=_NEEDS_REVIEW)
    return bool(rows.update(state=_State.IGNORED, reason=f"by {by}"[:200]))
