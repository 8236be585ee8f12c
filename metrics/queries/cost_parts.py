"""Costs of a range, or of billing periods, by product, meter, and project."""

from collections.abc import Iterable, Sequence
from typing import Any

from metrics.periods import DayRange, Grain
from metrics.queries.cost_differences import CostPart, PartKey
from orgs.models import Project
from orgs.queries.prepared import array, fetch_all

_SQL = """
select product, meter, project_id, sum(quantity), sum(cost), sum(unpriced_quantity)
from metrics_usage
where organization_id = %(organization_id)s and {condition}
group by 1, 2, 3
"""
_OF_DAYS = _SQL.format(condition="day >= %(start)s and day < %(end)s")
# Late usage belongs to the open period but keeps its earlier day, so days are not
# bounded.
_OF_PERIODS = _SQL.format(condition="period = any(%(numbers)s::integer[])")


def list_cost_parts(organization_id: int, days: DayRange) -> dict[PartKey, CostPart]:
    """Return the parts of the cost of a range of days; one query by primary key.

    Raises `InvalidDateRange` for a range longer than a monthly chart may be.
    """
    days.within(Grain.MONTHLY)
    parameters = {
        "organization_id": organization_id,
        "start": days.start,
        "end": days.end,
    }
    return _parts(fetch_all(_OF_DAYS, parameters))


def list_period_cost_parts(
    organization_id: int, numbers: Sequence[int]
) -> dict[PartKey, CostPart]:
    """Return the parts of the cost of billing periods, by their numbers; one query."""
    parameters = {"organization_id": organization_id, "numbers": array(numbers)}
    return _parts(fetch_all(_OF_PERIODS, parameters))


_OF_MANY = """
select r.number, u.product, u.meter, u.project_id, u.quantity, u.cost, u.unpriced
from unnest(%(numbers)s::integer[], %(ids)s::bigint[], %(starts)s::date[],
    %(ends)s::date[]) r (number, id, starts_on, ends_on)
cross join lateral (
    select product, meter, project_id, sum(quantity) as quantity, sum(cost) as cost,
        sum(unpriced_quantity) as unpriced
    from metrics_usage
    where organization_id = r.id and day >= r.starts_on and day < r.ends_on
    group by 1, 2, 3) u
"""


def list_many_cost_parts(
    ranges: Sequence[tuple[int, DayRange]],
) -> list[dict[PartKey, CostPart]]:
    """Return the parts of the cost of many ranges, each of an organization; one query.

    They are in the order of the ranges.
    """
    parameters = {
        "numbers": array(range(len(ranges))),
        "ids": array(id_ for id_, _ in ranges),
        "starts": array(days.start for _, days in ranges),
        "ends": array(days.end for _, days in ranges),
    }
    rows: list[list[Any]] = [[] for _ in ranges]
    for number, *row in fetch_all(_OF_MANY, parameters):
        rows[number].append(row)
    return [_parts(one) for one in rows]


def _parts(
    rows: Iterable[Sequence[Any]],
) -> dict[PartKey, CostPart]:
    return {
        PartKey(product, meter, project_id): CostPart(
            int(quantity - unpriced), cost, int(unpriced)
        )
        for product, meter, project_id, quantity, cost, unpriced in rows
    }


NO_PROJECT_NAME = "No project"


def list_project_names(organization_id: int, ids: Sequence[int]) -> dict[int, str]:
    """Return the name of each project, of deleted ones too; 0 is “No project”.

    A project that does not exist any more has its ID as its name. One query.
    """
    rows = Project.objects.filter(organization_id=organization_id, pk__in=set(ids))
    names = dict(rows.values_list("pk", "name"))
    return {
        id_: names.get(id_, str(id_)) if id_ else NO_PROJECT_NAME for id_ in set(ids)
    }
