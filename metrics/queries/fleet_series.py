"""Usage and cost of all organizations of white labels, from precomputed totals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db import connection

from metrics.catalog import METERS, Unit
from metrics.periods import DayRange, Grain
from metrics.queries.fleet import growth
from metrics.queries.series import (
    BUCKETS,
    Amounts,
    GroupBy,
    Line,
    Series,
    SeriesFilters,
    build_series,
)
from orgs.days import ONE_DAY

TOTAL_DAYS = 30

# Totals, and what is recorded but not yet rolled up into them. Rolling up deletes the
# pending rows and adds them to the totals in one transaction, so a statement sees each
# of them once, and the fleet is always the sum of its organizations.
_SQL = """
select {bucket}, {line}, sum(quantity), sum(cost), sum(benchmark_cost),
    sum(unpriced_quantity)
from (
    select day, {line}, quantity, cost, benchmark_cost, unpriced_quantity
    from metrics_fleettotal where white_label_id = any(%(white_labels)s)
        and day >= %(start)s and day < %(end)s
    union all
    select day, {line}, quantity, cost, benchmark_cost, unpriced_quantity
    from metrics_pendingfleetusage where white_label_id = any(%(white_labels)s)
        and day >= %(start)s and day < %(end)s
) as usage
group by 1, 2
order by 1
"""
_STATEMENTS = {
    (grain, group_by): _SQL.format(bucket=BUCKETS[grain], line=group_by.value)
    for grain in Grain
    for group_by in GroupBy
}


def fleet_series(white_label_ids: Sequence[int], filters: SeriesFilters) -> Series:
    """Sum the usage of white labels that share a currency: costs are added up.

    One query. Reads a row per white label, day, product and meter, some 20,000 for a
    year of one with twenty products, and what was recorded in the seconds since the
    last roll-up; never more for more organizations. Raises `ValueError` for a project:
    totals are not stored by project.
    """
    if filters.project_id is not None:
        raise ValueError("usage of all organizations is not stored by project")
    filters.range.within(filters.grain)
    with connection.cursor() as cursor:
        cursor.execute(
            _STATEMENTS[filters.grain, filters.group_by],
            {
                "white_labels": list(white_label_ids),
                "start": filters.range.start,
                "end": filters.range.end,
            },
        )
        return build_series(filters, cursor.fetchall())


@dataclass(frozen=True, slots=True)
class Comparison:
    """A sum of 30 days, and that of the 30 days before for comparison."""

    now: Decimal | int
    before: Decimal | int

    @property
    def growth(self) -> Decimal | None:
        return growth(self.now, self.before)


@dataclass(frozen=True, slots=True)
class MeterTotal:
    """Sums of one meter in the last 30 complete days and in the 30 before."""

    slug: str
    name: str
    now: Amounts
    before: Amounts

    @property
    def is_unpriced(self) -> bool:
        """True if some of its usage has no price."""
        return self.now.unpriced_quantity > 0

    @property
    def quantity(self) -> Comparison:
        return Comparison(self.now.quantity, self.before.quantity)


@dataclass(frozen=True, slots=True)
class FleetTotals:
    """Sums of the last 30 complete days and of the 30 before, by meter.

    The meters of the catalog come first, in its order.
    """

    range: DayRange
    meters: tuple[MeterTotal, ...]

    @property
    def is_used(self) -> bool:
        return bool(self.meters)

    @property
    def last(self) -> date:
        return self.range.end - ONE_DAY

    @property
    def now(self) -> Amounts:
        return sum((meter.now for meter in self.meters), Amounts())

    @property
    def cost(self) -> Comparison:
        before = sum((meter.before for meter in self.meters), Amounts())
        return Comparison(self.now.cost, before.cost)

    def quantity_in(self, unit: Unit) -> Comparison:
        """Return the quantity of all meters with this unit."""
        known = [meter for meter in self.meters if meter.slug in METERS]
        sums = [m.quantity for m in known if METERS[m.slug].unit is unit]
        return Comparison(sum(s.now for s in sums), sum(s.before for s in sums))


def fleet_totals(white_label_ids: Sequence[int], *, before: date) -> FleetTotals:
    """Return the sums of the 30 days before `before`, and of the 30 before those.

    One query. Only complete days are compared: a day that is half over would look like
    a decline.
    """
    days = DayRange(before - timedelta(days=TOTAL_DAYS), before)
    both = DayRange(days.before().start, days.end)
    filters = SeriesFilters(both, group_by=GroupBy.METER)
    lines = fleet_series(white_label_ids, filters).lines
    meters = [_meter_total(line, days.start) for line in lines]
    order = list(METERS)
    return FleetTotals(
        days,
        tuple(
            sorted(
                meters,
                key=lambda m: order.index(m.slug) if m.slug in METERS else len(order),
            )
        ),
    )


def _meter_total(line: Line, start: date) -> MeterTotal:
    now = [sums for day, sums in line.by_bucket.items() if day >= start]
    before = [sums for day, sums in line.by_bucket.items() if day < start]
    return MeterTotal(line.id, line.name, sum(now, Amounts()), sum(before, Amounts()))


_COUNT_PENDING = (
    "select count(*) from (select from metrics_pendingfleetusage limit %s) as pending"
)


def count_pending(limit: int) -> int:
    """Return how many rows wait to be rolled up, counted up to `limit`.

    Every number includes them already. Many of them mean that no worker rolls them up,
    and make reading slower.
    """
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_PENDING, [limit])
        return int(cursor.fetchone()[0])
