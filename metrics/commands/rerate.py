"""Re-rating open billing periods: pricing their usage with the current price book.

Events are never changed. A `PeriodRerating` row records that a period was re-rated and
with which version of the price book; recomputing reads it. Closed periods are never
re-rated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from django.db import connection, transaction

from metrics.commands import recompute
from metrics.commands.recompute import (
    CorrectionSpec,
    PriceBasis,
    RecomputeScope,
    comparison,
)
from metrics.errors import PricesChanged
from metrics.models import Correction, PriceBook
from metrics.periods import DayRange
from metrics.queries.partitions import has_all_events
from metrics.signals import usage_recorded
from orgs.days import ONE_DAY
from orgs.models import WhiteLabel

_ATTEMPTS = 5  # for a batch whose prices or periods change while it is compared


@dataclass(frozen=True, slots=True)
class PeriodRerate:
    """The costs of an organization's open period before and after its re-rate."""

    organization_id: int
    period: int
    old_cost: Decimal
    new_cost: Decimal
    old_benchmark_cost: Decimal
    new_benchmark_cost: Decimal


@dataclass(slots=True)
class RerateResult:
    """The re-rated periods, by organization ID, and those that cannot be re-rated.

    `without_events` has the IDs of organizations whose open period has usage in a
    dropped month.
    """

    rerates: list[PeriodRerate] = field(default_factory=list)
    without_events: list[int] = field(default_factory=list)
    days: DayRange | None = None  # that were compared


class _PricesOrPeriodsChanged(Exception):
    """Prices or periods changed after the differences were computed."""


_SELECT_TOTALS = """
select organization_id, period, coalesce(sum(old_cost), 0), coalesce(sum(new_cost), 0),
    coalesce(sum(old_benchmark), 0), coalesce(sum(new_benchmark), 0)
from compared group by 1, 2 having bool_or(is_different) order by 1
"""


def rerate_spec(*, by: str, note: str) -> CorrectionSpec:
    """Return the author and reason of a re-rate."""
    return CorrectionSpec(Correction.Kind.RERATE, by=by, note=note.strip())


def preview_rerate(
    white_label: WhiteLabel, organization_ids: Sequence[int]
) -> RerateResult:
    """Return the old and new costs of the open periods that would change.

    The new cost is that of every event of the period at the current price book, with
    the rate in force at the event's timestamp. Writes nothing and blocks no recording.
    Costs a read of the periods' events.
    """
    with transaction.atomic():
        scope, result = _scope(white_label, organization_ids)
        if scope is not None:
            with connection.cursor() as cursor:
                cursor.execute(
                    comparison(PriceBasis.CURRENT) + _SELECT_TOTALS, scope.parameters
                )
                result.rerates = [PeriodRerate(*row) for row in cursor.fetchall()]
    return result


def rerate_periods(
    white_label: WhiteLabel,
    organization_ids: Sequence[int],
    *,
    correction: CorrectionSpec,
) -> RerateResult:
    """Re-rate the open periods; return the old and new costs of those that changed.

    One transaction: a killed run has changed nothing, and a second run finds nothing to
    do. Usage recorded during the run already has current prices and is not part of the
    difference. That requires that prices and periods stay the same during the run: when
    they change, it starts over. Raises `PricesChanged` after five attempts.
    """
    for _ in range(_ATTEMPTS):
        try:
            with transaction.atomic():
                result = _rerate(white_label, organization_ids, correction)
        except _PricesOrPeriodsChanged:
            continue
        ids = [rerate.organization_id for rerate in result.rerates]
        if ids:
            usage_recorded.send_robust(WhiteLabel, organization_ids=ids)
        return result
    raise PricesChanged("Prices or periods changed during the run. Run it again.")


def _rerate(
    white_label: WhiteLabel, organization_ids: Sequence[int], correction: CorrectionSpec
) -> RerateResult:
    # The version is read before and after comparing: the price book is locked only in
    # between, when recording is blocked.
    recompute.lock_corrections(white_label)
    version = _version(white_label)
    scope, result = _scope(white_label, organization_ids)
    ids = recompute.store_differences(scope, PriceBasis.CURRENT) if scope else []
    if scope is None or not ids:
        return result
    recompute.block_recording(white_label, ids)
    if _version(white_label) != version or _has_closed_period():
        raise _PricesOrPeriodsChanged
    recompute.apply_differences(scope, correction)
    result.rerates = _insert_reratings(correction, version)
    return result


def _version(white_label: WhiteLabel) -> int:
    books = PriceBook.objects.filter(white_label=white_label)
    return books.values_list("version", flat=True).first() or 0


def _has_closed_period() -> bool:
    """Return whether a period with differences has been closed meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select exists (select from usage_difference x join metrics_openperiod p"
            " using (organization_id) where p.number <> x.period)"
        )
        return bool(cursor.fetchone()[0])


# The first and last day with usage of each open period.
_SELECT_PERIOD_DAYS = """
select p.organization_id, min(u.day), max(u.day)
from metrics_openperiod p join metrics_usage u
    on u.organization_id = p.organization_id and u.period = p.number
where p.organization_id = any(%s)
group by 1 order by 1
"""


def _scope(
    white_label: WhiteLabel, organization_ids: Sequence[int]
) -> tuple[RecomputeScope | None, RerateResult]:
    """Return the days of the open periods whose events are all stored.

    The scope is None when there are none; the others are in the result. Days that are
    recorded after this are outside the scope, which is right: their usage already has
    current prices.
    """
    months, zone = recompute.lock_months(), white_label.zone
    with connection.cursor() as cursor:
        cursor.execute(_SELECT_PERIOD_DAYS, [list(organization_ids)])
        periods = cursor.fetchall()
    has_events = {
        (first, last): has_all_events(DayRange(first, last + ONE_DAY), zone, months)
        for first, last in {(first, last) for _, first, last in periods}
    }
    complete = [row for row in periods if has_events[row[1], row[2]]]
    result = RerateResult(
        without_events=[
            id_ for id_, first, last in periods if not has_events[first, last]
        ]
    )
    if not complete:
        return None, result
    days = result.days = _enclosing_range([row[1:] for row in complete])
    return RecomputeScope(white_label, [row[0] for row in complete], days), result


def _enclosing_range(spans: Sequence[tuple[date, date]]) -> DayRange:
    """Return the days from the earliest first to the latest last day of the spans."""
    first = min(first for first, _ in spans)
    return DayRange(first, max(last for _, last in spans) + ONE_DAY)


# Recording is blocked, so the usage that is summed here is exactly what the re-rate
# results in. The old total is the new one minus the difference.
_INSERT_RERATINGS = """
with changed as (
    select organization_id, period,
        coalesce(sum(new_cost), 0) - coalesce(sum(old_cost), 0) as cost,
        coalesce(sum(new_benchmark), 0) - coalesce(sum(old_benchmark), 0) as benchmark
    from usage_difference group by 1, 2
), total as (
    select m.organization_id, m.period, coalesce(sum(u.cost), 0) - m.cost as old_cost,
        coalesce(sum(u.cost), 0) as new_cost,
        coalesce(sum(u.benchmark_cost), 0) - m.benchmark as old_benchmark,
        coalesce(sum(u.benchmark_cost), 0) as new_benchmark
    from changed m left join metrics_usage u
        on u.organization_id = m.organization_id and u.period = m.period
    group by 1, 2, m.cost, m.benchmark
), inserted as (
    insert into metrics_periodrerating (organization_id, period, correction_id,
        price_version, old_cost, new_cost)
    select organization_id, period, %(correction)s, %(version)s, old_cost, new_cost
    from total order by 1
)
select * from total order by 1
"""


def _insert_reratings(correction: CorrectionSpec, version: int) -> list[PeriodRerate]:
    """Record the periods' new price book version; return their old and new costs."""
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT_RERATINGS, {"correction": correction.id, "version": version}
        )
        return [PeriodRerate(*row) for row in cursor.fetchall()]
