"""Costs of a range, or of billing periods, by product, meter, and project."""

from collections.abc import Sequence
from decimal import Decimal

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


def _parts(
    rows: Sequence[tuple[str, str, int, Decimal, Decimal, Decimal]],
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
