"""Daily usage proven equal to its events, or made so."""

from collections.abc import Sequence

from django.db import transaction

from metrics.commands import recompute
from metrics.commands.recompute import CorrectionSpec, Difference, Prices, Scope
from metrics.errors import EventsNotKept
from metrics.periods import DayRange
from metrics.queries.partitions import has_all_events
from metrics.signals import usage_recorded
from orgs.models import WhiteLabel


def check_days(
    white_label: WhiteLabel, organization_ids: Sequence[int], days: DayRange
) -> list[Difference]:
    """What daily usage and metrics of these days differ by from their events.

    Empty proves them equal: quantities, costs as fixed when recorded (or re-rated),
    benchmark costs, unpriced quantities, and which rows there are. Writes and locks
    nothing. Raises `EventsNotKept` for days of a month that was dropped.
    """
    with transaction.atomic():
        _keep_months(white_label, days)
        return recompute.differences(Scope(white_label, organization_ids, days))


def rebuild_days(
    white_label: WhiteLabel,
    organization_ids: Sequence[int],
    days: DayRange,
    *,
    correction: CorrectionSpec,
) -> list[Difference]:
    """As `check_days`, and makes daily usage and metrics what their events make.

    One transaction: killed, it has done nothing. Recording of those organizations that
    differ waits while their differences are written; again, there are none.
    """
    scope = Scope(white_label, organization_ids, days)
    with transaction.atomic():
        recompute.lock_corrections(white_label)
        _keep_months(white_label, days)
        ids = recompute.note_differences(scope, Prices.RECORDED)
        if not ids:
            return []
        found = recompute.list_noted()
        recompute.stop_recording(white_label, ids)
        recompute.correct(scope, correction)
    usage_recorded.send_robust(WhiteLabel, organization_ids=ids)
    return found


def check_kept(white_label: WhiteLabel, days: DayRange) -> None:
    """Raises `EventsNotKept` unless the events of all these days are still there."""
    with transaction.atomic():
        _keep_months(white_label, days)


def _keep_months(white_label: WhiteLabel, days: DayRange) -> None:
    """See that the events are there, and that they stay until the transaction ends."""
    months = recompute.keep_months()
    if not has_all_events(days, white_label.zone, months):
        kept = f"{months[0].start:%F} to {months[-1].end:%F}" if months else "none"
        raise EventsNotKept(
            f"Some events from {days.start} to {days.end} are no longer stored"
            f" (stored: {kept}, UTC), so these days can't be recomputed."
        )
