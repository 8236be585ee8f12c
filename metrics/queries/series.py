"""The one query behind every chart, table, CSV and cost answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache, cached_property
from typing import Any, NamedTuple

from metrics.catalog import METERS
from metrics.periods import DayRange, Grain
from metrics.queries.usage_version import FOLDED, WAITING
from orgs.queries.prepared import array, fetch_all

ZERO = Decimal(0)


class GroupBy(StrEnum):
    """What a line of a series stands for."""

    PRODUCT = "product"
    METER = "meter"


@dataclass(frozen=True, slots=True)
class SeriesFilters:
    """What to sum: days, how wide a bucket, a line for each what, of which project."""

    range: DayRange
    grain: Grain = Grain.DAILY
    group_by: GroupBy = GroupBy.PRODUCT
    project_id: int | None = None

    @property
    def shape(self) -> tuple[Grain, GroupBy, bool]:
        """What the statement depends on."""
        return self.grain, self.group_by, self.project_id is not None

    def parameters(self, organization_id: int) -> dict[str, object]:
        return {
            "organization_id": organization_id,
            "start": self.range.start,
            "end": self.range.end,
            "project_id": self.project_id,
        }


@dataclass(frozen=True, slots=True)
class Amounts:
    """Sums of a bucket or of a line; quantities add up only within one meter."""

    quantity: int = 0
    cost: Decimal = ZERO
    benchmark_cost: Decimal = ZERO
    unpriced_quantity: int = 0

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(
            self.quantity + other.quantity,
            self.cost + other.cost,
            self.benchmark_cost + other.benchmark_cost,
            self.unpriced_quantity + other.unpriced_quantity,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One product or meter over the buckets in which it has usage."""

    id: str
    name: str
    by_bucket: dict[date, Amounts] = field(default_factory=dict)

    @property
    def total(self) -> Amounts:
        return sum(self.by_bucket.values(), Amounts())


@dataclass(frozen=True)
class Series:
    """Lines over every bucket of the range, empty ones too; dearest line first."""

    filters: SeriesFilters
    buckets: tuple[date, ...]
    lines: tuple[Line, ...]

    @cached_property
    def total(self) -> Amounts:
        return sum((line.total for line in self.lines), Amounts())

    def amounts_in(self, bucket: date) -> list[tuple[Line, Amounts]]:
        """The lines that have usage in a bucket."""
        return [
            (line, line.by_bucket[bucket])
            for line in self.lines
            if bucket in line.by_bucket
        ]

    def cost_in(self, bucket: date) -> Decimal:
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
_SUMS = "sum(quantity), sum(cost), sum(benchmark_cost), sum(unpriced_quantity)"
# With how often usage was changed, from the same snapshot; a row even without usage.
_DIGITS = """
select v.folded, v.waiting, s.bucket, s.line, s.digits
from (select {folded} as folded, {waiting} as waiting) v left join (
    select bucket, line, trim_scale(cost)::text as digits,
        sum(cost) over (partition by line) as total
    from ({costs}) c) s on true
order by s.bucket, s.total desc, s.line collate "C"
"""


@cache
def _statement(
    shape: tuple[Grain, GroupBy, bool], sums: str = _SUMS, usage: str = "metrics_usage"
) -> str:
    grain, group_by, has_project = shape
    return _SQL.format(
        usage=usage,
        bucket=BUCKETS[grain],
        line=group_by.value,
        sums=sums,
        project="and project_id = %(project_id)s" if has_project else "",
    )


@cache
def _digits_statement(shape: tuple[Grain, GroupBy, bool], usage: str) -> str:
    costs = _statement(shape, "sum(cost) as cost", usage)
    return _DIGITS.format(folded=FOLDED, waiting=WAITING, costs=costs)


def series(organization_id: int, filters: SeriesFilters) -> Series:
    """Sum an organization's daily usage. One query, by primary key.

    Reads at most a row per day, product, meter and project: some 10,000 for a year of
    a busy organization. Raises `InvalidDateRange` for a range too long for the grain.
    """
    filters.range.within(filters.grain)
    statement = _statement(filters.shape)
    return build_series(
        filters, fetch_all(statement, filters.parameters(organization_id))
    )


def build_series(filters: SeriesFilters, rows: Iterable[tuple[Any, ...]]) -> Series:
    """Rows of (bucket, line, four sums) as a series."""
    lines: dict[str, Line] = {}
    for bucket, id_, quantity, cost, benchmark, unpriced in rows:
        line = lines.setdefault(id_, Line(id_, _name(filters.group_by, id_)))
        line.by_bucket[bucket] = Amounts(int(quantity), cost, benchmark, int(unpriced))
    return Series(
        filters=filters,
        buckets=tuple(filters.range.buckets(filters.grain)),
        lines=tuple(sorted(lines.values(), key=_dearest_first)),
    )


_COST = """
select coalesce(sum(cost), 0) from metrics_usage
where organization_id = %(organization_id)s and day >= %(start)s and day < %(end)s
"""


def cost_of_days(organization_id: int, days: DayRange) -> Decimal:
    """The same sum as the total of a `series`, where nothing but the total is read."""
    parameters = {
        "organization_id": organization_id,
        "start": days.start,
        "end": days.end,
    }
    [(cost,)] = fetch_all(_COST, parameters)
    return Decimal(cost)


_COSTS = """
select a.id, (select coalesce(sum(cost), 0) from metrics_usage
    where organization_id = a.id and day >= a.first and day < a.past)
from unnest(%(ids)s::bigint[], %(starts)s::date[], %(ends)s::date[]) a (id, first, past)
"""


def costs_of_days(days: Mapping[int, DayRange]) -> dict[int, Decimal]:
    """The same of many organizations, each of days of its own, in one statement."""
    parameters = {
        "ids": array(days),
        "starts": array(one.start for one in days.values()),
        "ends": array(one.end for one in days.values()),
    }
    return dict(fetch_all(_COSTS, parameters))


class CostDigits(NamedTuple):
    """The costs of a series as they are written, for answers that only write them.

    `rows` are (bucket, line, its name, digits) by bucket, dearest line first;
    `changes` is the usage version they were read at.
    """

    changes: int
    rows: list[tuple[date, str, str, str]]


def cost_digits(organization_id: int, filters: SeriesFilters) -> CostDigits:
    """The same sums in the same order as `series`; PostgreSQL does all of it.

    As a rule no change waits to be folded: then daily usage, read first and in one
    snapshot with that, is all there is.
    """
    filters.range.within(filters.grain)
    parameters = filters.parameters(organization_id)
    for usage in ("metrics_dailyusage", "metrics_usage"):
        found = fetch_all(_digits_statement(filters.shape, usage), parameters)
        folded, waiting, bucket, *_ = found[0]
        if not waiting:
            break
    if bucket is None:  # no usage: the one row has but the version
        return CostDigits(folded + waiting, [])
    names = {id_: _name(filters.group_by, id_) for id_ in {row[3] for row in found}}
    rows = [(bucket, id_, names[id_], digits) for _, _, bucket, id_, digits in found]
    return CostDigits(folded + waiting, rows)


def _name(group_by: GroupBy, id_: str) -> str:
    meter = METERS.get(id_) if group_by is GroupBy.METER else None
    return meter.label if meter else id_


def _dearest_first(line: Line) -> tuple[Decimal, str]:
    return -line.total.cost, line.id
