"""Usage over time: the query behind every chart, table, CSV file and cost answer."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache, cached_property
from typing import Any, NamedTuple

from metrics.catalog import METERS
from metrics.periods import DayRange, Grain
from metrics.queries.cost_parts import list_project_names
from metrics.queries.usage_version import PENDING_CHANGES, ROLLED_UP_CHANGES
from orgs.decimals import SHOWN_PLACES
from orgs.queries.prepared import array, fetch_all

ZERO = Decimal(0)


class GroupBy(StrEnum):
    """The column that a series has a line for each value of."""

    PRODUCT = "product"
    METER = "meter"
    PROJECT = "project"

    @property
    def column(self) -> str:
        """The SQL of the column, as text."""
        return "project_id::text" if self is GroupBy.PROJECT else self.value


@dataclass(frozen=True, slots=True)
class SeriesFilters:
    """Selection and grouping of the usage that a series sums.

    `project_id` is 0 for usage without a project, null for all usage. `shift` are days
    that the usage is moved by before it is put into buckets: a range before then has
    the buckets of the range that it is compared with, also where months differ.
    """

    range: DayRange
    grain: Grain = Grain.DAILY
    group_by: GroupBy = GroupBy.PRODUCT
    project_id: int | None = None
    shift: int = 0

    def before(self) -> "SeriesFilters":
        """Return the filters of the range before, with the buckets of this range."""
        return replace(self, range=self.range.before(), shift=self.range.days)

    @property
    def buckets(self) -> tuple[date, ...]:
        """The first day of every bucket."""
        if not self.shift:
            return tuple(self.range.buckets(self.grain))
        start, end = (
            day + timedelta(days=self.shift)
            for day in (self.range.start, self.range.end)
        )
        return tuple(DayRange(start, end).buckets(self.grain))

    @property
    def shape(self) -> "_Shape":
        """The filters that the text of the statement depends on."""
        return _Shape(
            self.grain, self.group_by, self.project_id is not None, bool(self.shift)
        )

    def parameters(self, organization_id: int) -> dict[str, object]:
        """Return the parameters of the statement."""
        return {
            "organization_id": organization_id,
            "start": self.range.start,
            "end": self.range.end,
            "project_id": self.project_id,
            "shift": self.shift,
        }


class _Shape(NamedTuple):
    grain: Grain
    group_by: GroupBy
    has_project: bool
    is_shifted: bool


@dataclass(frozen=True, slots=True)
class Amounts:
    """Sums of a bucket or a line; quantities of different meters differ in unit."""

    quantity: int = 0
    cost: Decimal = ZERO
    benchmark_cost: Decimal = ZERO
    unpriced_quantity: int = 0

    @property
    def has_no_price(self) -> bool:
        """True if no part of it is priced or free: the cost is unknown, not 0."""
        return 0 < self.unpriced_quantity == self.quantity

    @property
    def priced_cost(self) -> Decimal | None:
        """The cost, or null if nothing has a price."""
        return None if self.has_no_price else self.cost

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(
            self.quantity + other.quantity,
            self.cost + other.cost,
            self.benchmark_cost + other.benchmark_cost,
            self.unpriced_quantity + other.unpriced_quantity,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """Amounts of one product or meter by bucket, without buckets that have no usage."""

    id: str
    name: str
    by_bucket: dict[date, Amounts] = field(default_factory=dict)

    @property
    def total(self) -> Amounts:
        return sum(self.by_bucket.values(), Amounts())


@dataclass(frozen=True)
class Series:
    """Usage over time: every bucket of the range, and its lines by descending cost."""

    filters: SeriesFilters
    buckets: tuple[date, ...]
    lines: tuple[Line, ...]

    @cached_property
    def total(self) -> Amounts:
        return sum((line.total for line in self.lines), Amounts())

    def amounts_in(self, bucket: date) -> list[tuple[Line, Amounts]]:
        """Return the lines that have usage in a bucket, with their amounts."""
        return [
            (line, line.by_bucket[bucket])
            for line in self.lines
            if bucket in line.by_bucket
        ]

    def cost_in(self, bucket: date) -> Decimal:
        """Return the cost of all lines in a bucket."""
        return sum((amounts.cost for _, amounts in self.amounts_in(bucket)), ZERO)


_SQL = """
select {bucket} as bucket, {line} as line, {sums}
from {usage}
where organization_id = %(organization_id)s and day >= %(start)s and day < %(end)s
    {project}
group by 1, 2
order by 1
"""
BUCKETS = {Grain.DAILY: "day", Grain.MONTHLY: "date_trunc('month', day)::date"}
_SHIFTED_BUCKETS = {
    Grain.DAILY: "day + %(shift)s::integer",
    Grain.MONTHLY: "date_trunc('month', day + %(shift)s::integer)::date",
}
_SUMS = "sum(quantity), sum(cost), sum(benchmark_cost), sum(unpriced_quantity)"
# The costs as text, with the version of the usage from the same snapshot. The left join
# gives a row with the version even when there is no usage. Lines are ordered by total
# cost, then by id as Python orders text.
_DIGITS = """
select v.rolled_up, v.pending, s.bucket, s.line, s.digits
from (select {rolled_up} as rolled_up, {pending} as pending) v left join (
    select bucket, line, trim_scale(round(cost, {places}))::text as digits,
        sum(cost) over (partition by line) as total
    from ({costs}) c) s on true
order by s.bucket, s.total desc, s.line collate "C"
"""


@cache
def _statement(shape: _Shape, sums: str = _SUMS, usage: str = "metrics_usage") -> str:
    buckets = _SHIFTED_BUCKETS if shape.is_shifted else BUCKETS
    return _SQL.format(
        usage=usage,
        bucket=buckets[shape.grain],
        line=shape.group_by.column,
        sums=sums,
        project="and project_id = %(project_id)s" if shape.has_project else "",
    )


@cache
def _digits_statement(shape: _Shape, usage: str) -> str:
    costs = _statement(shape, "sum(cost) as cost", usage)
    return _DIGITS.format(
        rolled_up=ROLLED_UP_CHANGES,
        pending=PENDING_CHANGES,
        costs=costs,
        places=SHOWN_PLACES,
    )


def series(organization_id: int, filters: SeriesFilters) -> Series:
    """Sum an organization's daily usage by bucket and line; one query by primary key.

    Reads at most a row per day, product, meter and project: some 10,000 for a year of
    a busy organization. Raises `InvalidDateRange` for a range too long for the grain.
    """
    filters.range.within(filters.grain)
    statement = _statement(filters.shape)
    rows = fetch_all(statement, filters.parameters(organization_id))
    names = _names(organization_id, filters.group_by, {row[1] for row in rows})
    return build_series(filters, rows, names)


def build_series(
    filters: SeriesFilters,
    rows: Iterable[tuple[Any, ...]],
    names: Mapping[str, str] | None = None,
) -> Series:
    """Build a series from rows of (bucket, line, four sums), with the lines' names."""
    lines: dict[str, Line] = {}
    for bucket, id_, quantity, cost, benchmark_cost, unpriced in rows:
        name = names[id_] if names else _name(filters.group_by, id_)
        line = lines.setdefault(id_, Line(id_, name))
        line.by_bucket[bucket] = Amounts(
            int(quantity), cost, benchmark_cost, int(unpriced)
        )
    return Series(
        filters=filters,
        buckets=filters.buckets,
        lines=tuple(sorted(lines.values(), key=_by_descending_cost)),
    )


_COSTS_BY_DAY = """
select a.id, u.day, u.cost
from unnest(%(ids)s::bigint[], %(starts)s::date[], %(ends)s::date[])
    a (id, starts_on, ends_on)
cross join lateral (
    select day, sum(cost) as cost from metrics_usage
    where organization_id = a.id and day >= a.starts_on and day < a.ends_on
    group by day) u
"""


def costs_by_day(days: Mapping[int, DayRange]) -> dict[int, dict[date, Decimal]]:
    """Return the cost of each day of each organization's range; one query.

    Days without usage are left out; every organization has an entry.
    """
    parameters = {
        "ids": array(days),
        "starts": array(range_.start for range_ in days.values()),
        "ends": array(range_.end for range_ in days.values()),
    }
    costs: dict[int, dict[date, Decimal]] = {id_: {} for id_ in days}
    for id_, day, cost in fetch_all(_COSTS_BY_DAY, parameters):
        costs[id_][day] = cost
    return costs


class CostDigits(NamedTuple):
    """Costs of a series as decimal text, for answers that only write them out.

    `rows` are (bucket, line id, line name, digits) by bucket, then by descending cost
    of the line; `changes` is the usage version they were read at.
    """

    changes: int
    rows: list[tuple[date, str, str, str]]


def cost_digits(organization_id: int, filters: SeriesFilters) -> CostDigits:
    """Return the costs of a series as text, computed and formatted by PostgreSQL.

    Usually no usage is pending, and daily usage alone is complete: it is read first, in
    one snapshot with the number of pending rows. Only if there are any, the view that
    adds them up is read too.
    """
    filters.range.within(filters.grain)
    parameters = filters.parameters(organization_id)
    for usage in ("metrics_dailyusage", "metrics_usage"):
        rows = fetch_all(_digits_statement(filters.shape, usage), parameters)
        rolled_up, pending, bucket, *_ = rows[0]
        if not pending:
            break
    if bucket is None:  # no usage: the only row has just the version
        return CostDigits(rolled_up + pending, [])
    names = _names(organization_id, filters.group_by, {row[3] for row in rows})
    costs = [(bucket, id_, names[id_], digits) for _, _, bucket, id_, digits in rows]
    return CostDigits(rolled_up + pending, costs)


def _names(
    organization_id: int, group_by: GroupBy, ids: Collection[str]
) -> dict[str, str]:
    """Return the name of each line; those of projects are read."""
    if group_by is GroupBy.PROJECT:
        projects = list_project_names(organization_id, list(map(int, ids)))
        return {str(id_): name for id_, name in projects.items()}
    return {id_: _name(group_by, id_) for id_ in ids}


def _name(group_by: GroupBy, id_: str) -> str:
    meter = METERS.get(id_) if group_by is GroupBy.METER else None
    return meter.label if meter else id_


def _by_descending_cost(line: Line) -> tuple[Decimal, str]:
    return -line.total.cost, line.id
