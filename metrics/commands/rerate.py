"""The open period priced anew: what it would cost at today's price book, and made so.

Events are never touched: that a period was re-rated, and to which version of the price
book, is a row of its own that recomputing reads. Closed periods are not reached.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from django.db import connection, transaction

from metrics.commands import recompute
from metrics.commands.recompute import CorrectionSpec, Prices, Scope, paired
from metrics.errors import PricesMoving
from metrics.models import PriceBook
from metrics.periods import DayRange
from metrics.queries.partitions import has_all_events
from metrics.signals import usage_recorded
from orgs.days import ONE_DAY
from orgs.models import WhiteLabel

_ATTEMPTS = 5  # of a batch whose prices or periods changed while it was computed


@dataclass(frozen=True, slots=True)
class Rerating:
    """What an organization's open period costs, and costs at today's prices."""

    organization_id: int
    period: int
    old_cost: Decimal
    new_cost: Decimal
    old_benchmark_cost: Decimal
    new_benchmark_cost: Decimal


@dataclass(slots=True)
class Reratings:
    """Those that differ, by id, and those that cannot be priced anew.

    `without_events`: their open period has usage in a month that was dropped.
    """

    reratings: list[Rerating] = field(default_factory=list)
    without_events: list[int] = field(default_factory=list)


class _Moved(Exception):
    """A price or period is not as it was when differences were computed."""


_TOTALS = """
select organization_id, period, coalesce(sum(old_cost), 0), coalesce(sum(new_cost), 0),
    coalesce(sum(old_benchmark), 0), coalesce(sum(new_benchmark), 0)
from paired group by 1, 2 having bool_or(is_different) order by 1
"""


def preview_rerate(
    white_label: WhiteLabel, organization_ids: Sequence[int]
) -> Reratings:
    """Old and new totals of those open periods that differ; writes and locks nothing.

    New is every event of the period at today's prices, the one in force at its own
    instant. Costs a read of the period's events.
    """
    with transaction.atomic():
        scope, result = _scope(white_label, organization_ids)
        if scope is not None:
            with connection.cursor() as cursor:
                cursor.execute(paired(Prices.TODAY) + _TOTALS, scope.parameters)
                result.reratings = [Rerating(*row) for row in cursor.fetchall()]
    return result


def rerate_periods(
    white_label: WhiteLabel,
    organization_ids: Sequence[int],
    *,
    correction: CorrectionSpec,
) -> Reratings:
    """Price the open periods anew; answers the totals before and after of what changed.

    One transaction: killed, it has done nothing; again, there is nothing to do. Prices
    are not changed in between: usage recorded meanwhile has today's, and is not in the
    difference. Raises `PricesMoving` when that fails again and again.
    """
    for _ in range(_ATTEMPTS):
        try:
            with transaction.atomic():
                result = _rerate(white_label, organization_ids, correction)
        except _Moved:
            continue
        ids = [rerating.organization_id for rerating in result.reratings]
        if ids:
            usage_recorded.send_robust(WhiteLabel, organization_ids=ids)
        return result
    raise PricesMoving("Prices or periods changed during the run. Run it again.")


def _rerate(
    white_label: WhiteLabel, organization_ids: Sequence[int], correction: CorrectionSpec
) -> Reratings:
    recompute.lock_corrections(white_label)
    version = _version(white_label)
    scope, result = _scope(white_label, organization_ids)
    ids = recompute.note_differences(scope, Prices.TODAY) if scope else []
    if scope is None or not ids:
        return result
    recompute.stop_recording(white_label, ids)
    if _version(white_label) != version or _has_closed():
        raise _Moved
    recompute.correct(scope, correction)
    result.reratings = _append(correction, version)
    return result


def _version(white_label: WhiteLabel) -> int:
    books = PriceBook.objects.filter(white_label=white_label)
    return books.values_list("version", flat=True).first() or 0


def _has_closed() -> bool:
    """Whether a period that differs is not the open one any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select exists (select from usage_difference x join metrics_openperiod p"
            " using (organization_id) where p.number <> x.period)"
        )
        return bool(cursor.fetchone()[0])


_DAYS = """
select p.organization_id, min(u.day), max(u.day)
from metrics_openperiod p join metrics_usage u
    on u.organization_id = p.organization_id and u.period = p.number
where p.organization_id = any(%s)
group by 1 order by 1
"""


def _scope(
    white_label: WhiteLabel, organization_ids: Sequence[int]
) -> tuple[Scope | None, Reratings]:
    """The days of the open periods, of those whose events are all still there.

    A day recorded after this is neither in the old sums nor in the new: at today's
    prices both are the same.
    """
    months, zone = recompute.keep_months(), white_label.zone
    with connection.cursor() as cursor:
        cursor.execute(_DAYS, [list(organization_ids)])
        found = cursor.fetchall()
    whole = {
        (first, last): has_all_events(DayRange(first, last + ONE_DAY), zone, months)
        for first, last in {(first, last) for _, first, last in found}
    }
    kept = [row for row in found if whole[row[1], row[2]]]
    lost = [id_ for id_, first, last in found if not whole[first, last]]
    result = Reratings(without_events=lost)
    if not kept:
        return None, result
    days = _over([row[1:] for row in kept])
    return Scope(white_label, [row[0] for row in kept], days), result


def _over(spans: Sequence[tuple[date, date]]) -> DayRange:
    first = min(first for first, _ in spans)
    return DayRange(first, max(last for _, last in spans) + ONE_DAY)


# Recording is stopped: what is summed now is what the act leaves.
_APPEND = """
with moved as (
    select organization_id, period,
        coalesce(sum(new_cost), 0) - coalesce(sum(old_cost), 0) as cost,
        coalesce(sum(new_benchmark), 0) - coalesce(sum(old_benchmark), 0) as benchmark
    from usage_difference group by 1, 2
), total as (
    select m.organization_id, m.period, coalesce(sum(u.cost), 0) - m.cost as old_cost,
        coalesce(sum(u.cost), 0) as new_cost,
        coalesce(sum(u.benchmark_cost), 0) - m.benchmark as old_benchmark,
        coalesce(sum(u.benchmark_cost), 0) as new_benchmark
    from moved m left join metrics_usage u
        on u.organization_id = m.organization_id and u.period = m.period
    group by 1, 2, m.cost, m.benchmark
), appended as (
    insert into metrics_periodrepricing (organization_id, period, correction_id,
        price_version,
        old_cost, new_cost)
    select organization_id, period, %(correction)s, %(version)s, old_cost, new_cost
    from total order by 1
)
select * from total order by 1
"""


def _append(correction: CorrectionSpec, version: int) -> list[Rerating]:
    """Let the periods be priced with this version from now on, and say what changed."""
    with connection.cursor() as cursor:
        cursor.execute(_APPEND, {"correction": correction.id, "version": version})
        return [Rerating(*row) for row in cursor.fetchall()]
