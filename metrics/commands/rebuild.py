"""Comparing daily usage with its events, and rebuilding the days that differ."""

from collections.abc import Sequence

from django.db import transaction

from metrics.commands import recompute
from metrics.commands.recompute import (
    CorrectionSpec,
    PriceBasis,
    RecomputeScope,
    UsageDifference,
)
from metrics.errors import EventsNotStored
from metrics.periods import DayRange
from metrics.queries.partitions import has_all_events
from metrics.signals import usage_recorded
from orgs.models import WhiteLabel


def check_days(
    white_label: WhiteLabel, organization_ids: Sequence[int], days: DayRange
) -> list[UsageDifference]:
    """Return how daily usage and daily metrics of these days differ from their events.

    An empty list proves them equal: quantities, costs as fixed when recorded (or
    re-rated), benchmark costs, unpriced quantities, and the set of rows. Writes nothing
    and blocks no recording. Raises `EventsNotStored` for days of a dropped month.
    """
    with transaction.atomic():
        _lock_months(white_label, days)
        scope = RecomputeScope(white_label, organization_ids, days)
        return recompute.list_differences(scope)


def rebuild_days(
    white_label: WhiteLabel,
    organization_ids: Sequence[int],
    days: DayRange,
    *,
    correction: CorrectionSpec,
) -> list[UsageDifference]:
    """Correct daily usage and metrics to match their events; return the differences.

    One transaction: a killed run has changed nothing, and a second run finds no
    differences. Recording waits only for the organizations that differ, and only while
    their differences are written. Raises `EventsNotStored` as `check_days` does.
    """
    scope = RecomputeScope(white_label, organization_ids, days)
    with transaction.atomic():
        recompute.lock_corrections(white_label)
        _lock_months(white_label, days)
        ids = recompute.store_differences(scope, PriceBasis.RECORDED)
        if not ids:
            return []
        differences = recompute.list_stored_differences()
        recompute.block_recording(white_label, ids)
        recompute.apply_differences(scope, correction)
    usage_recorded.send_robust(WhiteLabel, organization_ids=ids)
    return differences


def require_stored_events(white_label: WhiteLabel, days: DayRange) -> None:
    """Raise `EventsNotStored` unless the events of all these days are still stored."""
    with transaction.atomic():
        _lock_months(white_label, days)


def _lock_months(white_label: WhiteLabel, days: DayRange) -> None:
    """Require the events of these days, and keep them until the transaction ends."""
    months = recompute.lock_months()
    if not has_all_events(days, white_label.zone, months):
        stored = f"{months[0].start:%F} to {months[-1].end:%F}" if months else "none"
        raise EventsNotStored(
            f"Some events from {days.start} to {days.end} are no longer stored"
            f" (stored: {stored}, UTC), so these days can't be recomputed."
        )
