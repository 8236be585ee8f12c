"""The same sums over all organizations of white labels, whatever their number."""

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

# Folding takes changes away and adds them to totals in one transaction: a statement
# sees each of them once, here or there, so the fleet is the sum of its organizations.
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
) as found
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
    last folding; never more for more organizations. Totals know no projects.
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
    """A sum of 30 days beside that of the 30 before."""

    now: Decimal | int
    before: Decimal | int

    @property
    def growth(self) -> Decimal | None:
        return growth(self.now, self.before)


@dataclass(frozen=True, slots=True)
class MeterTotal:
    """One meter's sums of the last 30 complete days and of those before."""

    slug: str
    name: str
    now: Amounts
    before: Amounts

    @property
    def is_part_unpriced(self) -> bool:
        """Some rates are missing; a meter with none at all is one that is not sold."""
        return 0 < self.now.unpriced_quantity < self.now.quantity

    @property
    def quantity(self) -> Comparison:
        return Comparison(self.now.quantity, self.before.quantity)


@dataclass(frozen=True, slots=True)
class FleetTotals:
    """The last 30 complete days against as many before; meters of the catalog first."""

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
        """Quantities of the meters that share a unit; of no others may be added up."""
        found = [m for m in self.meters if m.slug in METERS]
        same = [m.quantity for m in found if METERS[m.slug].unit is unit]
        return Comparison(sum(one.now for one in same), sum(one.before for one in same))


def fleet_totals(white_label_ids: Sequence[int], *, before: date) -> FleetTotals:
    """Sums of the 30 days up to but not including `before`; one query.

    Complete days only: a day half over against a whole one would look like a fall.
    """
    days = DayRange(before - timedelta(days=TOTAL_DAYS), before)
    both = DayRange(days.before().start, days.end)
    found = fleet_series(white_label_ids, SeriesFilters(both, group_by=GroupBy.METER))
    meters = [_compared(line, days.start) for line in found.lines]
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


def _compared(line: Line, start: date) -> MeterTotal:
    now = [sums for day, sums in line.by_bucket.items() if day >= start]
    before = [sums for day, sums in line.by_bucket.items() if day < start]
    return MeterTotal(line.id, line.name, sum(now, Amounts()), sum(before, Amounts()))


_WAITING = (
    "select count(*) from (select from metrics_pendingfleetusage limit %s) as waiting"
)


def count_pending(limit: int) -> int:
    """How many changes wait to be folded, counted up to `limit`.

    They are in every number already; many of them mean that no worker is folding.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [limit])
        return int(cursor.fetchone()[0])
