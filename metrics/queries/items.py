"""Cost items of a range: the rows of a series, by product, meter and project."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from metrics.catalog import METERS, Dimension
from metrics.periods import DayRange, Grain
from metrics.queries.series import ZERO, Amounts
from orgs.models import Project

_MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class CostItem:
    """Usage and cost of one product and meter, and of one project where asked for."""

    project_id: int  # 0 is none
    product: str
    meter: str
    amounts: Amounts

    @property
    def dimension(self) -> Dimension:
        meter = METERS.get(self.meter)
        return meter.dimension if meter else Dimension.CAPACITY


def costs_by_dimension(items: Sequence[CostItem]) -> dict[Dimension, Decimal]:
    """Return the cost of each of the six dimensions, 0 for those without items."""
    costs = dict.fromkeys(Dimension, ZERO)
    for item in items:
        costs[item.dimension] += item.amounts.cost
    return costs


_SQL = """
select {project}, product, meter, sum(quantity), sum(cost), sum(benchmark_cost),
    sum(unpriced_quantity)
from metrics_usage
where organization_id = %(organization_id)s and day >= %(start)s and day < %(end)s
    and (%(project_id)s::bigint is null or project_id = %(project_id)s)
group by 1, 2, 3
order by sum(cost) desc, 1, 2, 3
"""
_ITEMS_BY_PROJECT = _SQL.format(project="project_id")
_ITEMS = _SQL.format(project="0")


def cost_items(
    organization_id: int,
    days: DayRange,
    *,
    project_id: int | None = None,
    by_project: bool = False,
) -> list[CostItem]:
    """Return the cost items of a range, most expensive first.

    At most one for each product and meter, or with `by_project` for each product, meter
    and project. `project_id` narrows them to one project, 0 to usage without a project.
    Raises `InvalidDateRange` for a range longer than a monthly chart may be.
    """
    days.within(Grain.MONTHLY)
    with connection.cursor() as cursor:
        cursor.execute(
            _ITEMS_BY_PROJECT if by_project else _ITEMS,
            {
                "organization_id": organization_id,
                "start": days.start,
                "end": days.end,
                "project_id": project_id,
            },
        )
        return [_item(*row) for row in cursor.fetchall()]


def _item(project_id: int, product: str, meter: str, *sums: Decimal) -> CostItem:
    quantity, cost, benchmark_cost, unpriced = sums
    amounts = Amounts(int(quantity), cost, benchmark_cost, int(unpriced))
    return CostItem(project_id, product, meter, amounts)


NO_PROJECT = "none"
_NO_PROJECT_ID = 0


@dataclass(frozen=True, slots=True)
class Deployment:
    """A project under its name in contract C.

    Usage without a project is the deployment `none`, so that deployments add up to the
    organization's cost.
    """

    id: str
    name: str
    items: Sequence[CostItem] = ()

    @property
    def project_id(self) -> int:
        return _NO_PROJECT_ID if self.id == NO_PROJECT else int(self.id)

    @property
    def cost(self) -> Decimal:
        return sum((item.amounts.cost for item in self.items), ZERO)


_UNASSIGNED = Deployment(NO_PROJECT, "No project")


def deployment_costs(organization_id: int, days: DayRange) -> list[Deployment]:
    """Return the deployments with usage in the range, most expensive first.

    Includes deleted projects: their usage is billed.
    """
    items: dict[int, list[CostItem]] = {}
    for item in cost_items(organization_id, days, by_project=True):
        items.setdefault(item.project_id, []).append(item)
    projects = Project.objects.filter(pk__in=items, organization_id=organization_id)
    names = dict(projects.values_list("pk", "name"))
    deployments = [
        Deployment(str(id_), names.get(id_, str(id_)), project_items)
        if id_
        else Deployment(_UNASSIGNED.id, _UNASSIGNED.name, project_items)
        for id_, project_items in items.items()
    ]
    return sorted(deployments, key=lambda deployment: (-deployment.cost, deployment.id))


def find_deployment(organization_id: int, id_: str) -> Deployment | None:
    """Return a deployment without its items.

    Null for an id that is malformed, unknown or of another organization.
    """
    if id_ == NO_PROJECT:
        return _UNASSIGNED
    if not (id_.isascii() and id_.isdigit()) or len(id_) > len(str(_MAX_ID)):
        return None
    projects = Project.objects.filter(
        pk=min(int(id_), _MAX_ID), organization_id=organization_id
    )
    name = projects.values_list("name", flat=True).first()
    return Deployment(id_, name) if name is not None else None
