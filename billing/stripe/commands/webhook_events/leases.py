"""Which events are handled, forgotten, or handled again because people ask."""

from datetime import timedelta

from django.utils import timezone

from billing.models import StripeEvent
from billing.stripe.commands.webhook_events.receiving import ENQUEUED_WITHIN
from orgs.commands import work

KEPT = timedelta(days=30)
_SWEEP_PAUSE = timedelta(minutes=5)
_State = StripeEvent.State
_UNSOLVED = (_State.PARKED, _State.FAILED)


def claim(id_: int) -> StripeEvent | None:
    """Take an event under a lease; null if another worker has it or it has ended."""
    return work.claim(StripeEvent.objects.all(), id_)


def take_forgotten(limit: int) -> list[int]:
    """Return the keys of events that no message is on its way for.

    Swept again only after a pause: after an outage thousands wait, longer than the
    minute between two sweeps.
    """
    return work.take_forgotten(StripeEvent.objects.all(), limit, pause=_SWEEP_PAUSE)


def prune() -> int:
    """Delete what has been done for a month; what a person must look at stays."""
    old = StripeEvent.objects.filter(
        received_at__lt=timezone.now() - KEPT, state__in=[_State.DONE, _State.IGNORED]
    )
    return old.delete()[0]


def resend(id_: int) -> bool:
    """Handle a parked, failed or ignored event again; false if it was none of these."""
    ended = StripeEvent.objects.filter(id=id_, state__in=[*_UNSOLVED, _State.IGNORED])
    sweep_after = timezone.now() + ENQUEUED_WITHIN
    return work.restart(ended, reason="", sweep_after=sweep_after)


def ignore(id_: int, *, by: str) -> bool:
    """Mark that no person needs to look at it; false if none had to."""
    rows = StripeEvent.objects.filter(id=id_, state__in=_UNSOLVED)
    return bool(rows.update(state=_State.IGNORED, reason=f"by {by}"[:200]))
