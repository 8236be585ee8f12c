"""The lines that a cost is made of: quantity x unit price, by day."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from metrics.periods import DayRange, Grain
from metrics.queries.series import ZERO
from metrics.units import PriceUnit, display_unit
from orgs.days import ONE_DAY
from orgs.queries.prepared import fetch_all

LINES_PER_PAGE = 100
_DAYS_AT_ONCE = 7


@dataclass(frozen=True, slots=True)
class LineFilters:
    """Which lines: of a range of days or, with `period`, of a billing period.

    None is all products, meters, or projects; the project 0 is usage without one.
    """

    days: DayRange
    period: int | None = None
    product: str | None = None
    meter: str | None = None
    project_id: int | None = None

    def parameters(self, organization_id: int) -> dict[str, object]:
        return {
            "organization_id": organization_id,
            "start": self.days.start,
            "end": self.days.end,
            "period": self.period,
            "product": self.product,
            "meter": self.meter,
            "project_id": self.project_id,
        }


@dataclass(frozen=True, slots=True)
class CostLine:
    """The usage of a day, product, meter, and project, with its cost.

    `quantity` has a price or is free; `unpriced_quantity` has none.
    """

    day: date
    product: str
    meter: str
    project_id: int
    quantity: int
    cost: Decimal
    unpriced_quantity: int

    @property
    def unit(self) -> PriceUnit | None:
        """The unit of `unit_price`."""
        return display_unit(self.meter)

    @property
    def unit_price(self) -> Decimal | None:
        """The average price of a unit; None if no part of it has a price."""
        if not self.quantity:
            return None
        size = self.unit.size if self.unit else 1
        return self.cost * size.numerator / (self.quantity * size.denominator)


@dataclass(frozen=True, slots=True)
class CostLines:
    """A page of lines, the newest day first, and the sums of all pages."""

    lines: tuple[CostLine, ...]
    count: int
    cost: Decimal


# The casts give null parameters a type; days are not bounded for a period, because late
# usage belongs to the open period but keeps its earlier day.
_LINES = """
select day, product, meter, project_id, sum(quantity) as quantity, sum(cost) as cost,
    sum(unpriced_quantity) as unpriced
from metrics_usage
where organization_id = %(organization_id)s and {range}
    and (%(product)s::text is null or product = %(product)s)
    and (%(meter)s::text is null or meter = %(meter)s)
    and (%(project_id)s::bigint is null or project_id = %(project_id)s)
group by 1, 2, 3, 4
"""
_DAYS = _LINES.format(range="day >= %(start)s and day < %(end)s")
_PERIOD = _LINES.format(range="period = %(period)s")
_PAGE = """
select l.*, count(*) over (), sum(l.cost) over () from ({lines}) l
order by l.day desc, l.cost desc, l.product, l.meter, l.project_id
limit %(limit)s offset %(offset)s
"""


def list_cost_lines(
    organization_id: int, filters: LineFilters, *, page: int = 1
) -> CostLines:
    """Return a page of the lines of a cost; one query.

    A page after the last one has no lines and no sums. Raises `InvalidDateRange` for a
    range that is longer than a monthly chart may be.
    """
    filters.days.within(Grain.MONTHLY)
    lines = _DAYS if filters.period is None else _PERIOD
    parameters = {
        **filters.parameters(organization_id),
        "limit": LINES_PER_PAGE,
        "offset": LINES_PER_PAGE * (page - 1),
    }
    rows = fetch_all(_PAGE.format(lines=lines), parameters)
    if not rows:
        return CostLines((), 0, ZERO)
    *_, count, cost = rows[0]
    return CostLines(tuple(_line(row[:-2]) for row in rows), count, cost)


_FIRST_AND_LAST = "select min(day), max(day) from ({lines}) l"
_COUNT = "select count(*) from (select from ({lines}) l limit %(limit)s) l"
_OF_DAYS = """
select l.* from ({lines}) l
order by l.day desc, l.cost desc, l.product, l.meter, l.project_id
"""
_PERIOD_DAYS = _LINES.format(
    range="period = %(period)s and day >= %(start)s and day < %(end)s"
)


def count_cost_lines(
    organization_id: int, filters: LineFilters, limit: int | None
) -> int:
    """Return how many lines a cost has, counted up to a limit; one query."""
    lines = _DAYS if filters.period is None else _PERIOD
    parameters = {**filters.parameters(organization_id), "limit": limit}
    return int(fetch_all(_COUNT.format(lines=lines), parameters)[0][0])


def iterate_cost_lines(
    organization_id: int, filters: LineFilters, *, before: date | None = None
) -> Iterator[tuple[date, list[CostLine]]]:
    """Yield all lines of a cost, a week at a time, in the order of the pages.

    Each list comes with the day that it begins with: with `before`, only lines of
    earlier days are read. One query for each week that has a line or is between such.
    """
    lines = _DAYS if filters.period is None else _PERIOD
    bounds = _FIRST_AND_LAST.format(lines=lines)
    first, last = fetch_all(bounds, filters.parameters(organization_id))[0]
    if first is None:
        return
    of_days = _OF_DAYS.format(lines=_DAYS if filters.period is None else _PERIOD_DAYS)
    end = min(before or last + ONE_DAY, last + ONE_DAY)
    while end > first:
        start = max(first, end - _DAYS_AT_ONCE * ONE_DAY)
        week = replace(filters, days=DayRange(start, end))
        rows = fetch_all(of_days, week.parameters(organization_id))
        yield start, [_line(row) for row in rows]
        end = start


def _line(row: tuple[Any, ...]) -> CostLine:
    day, product, meter, project_id, quantity, cost, unpriced = row
    return CostLine(
        day,
        product,
        meter,
        project_id,
        int(quantity - unpriced),
        cost,
        int(unpriced),
    )
