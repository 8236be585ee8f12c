from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from metrics.models import OpenPeriod
from metrics.queries.series import ZERO, Amounts
from orgs.queries.prepared import array, fetch_all


@dataclass(frozen=True, slots=True)
class OpenPeriodFacts:
    organization_id: int
    number: int
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class PeriodCost:
    """The exact, unrounded sum of a period's daily usage."""

    cost: Decimal = ZERO
    benchmark_cost: Decimal = ZERO

    @property
    def savings(self) -> Decimal:
        """Against the benchmark prices; negative when those are cheaper."""
        return self.benchmark_cost - self.cost


@dataclass(frozen=True, slots=True)
class CurrentPeriod:
    """The open period: since when, and its exact cost so far."""

    starts_at: datetime
    cost: PeriodCost


def list_open_periods(organization_ids: Sequence[int]) -> list[OpenPeriodFacts]:
    rows = OpenPeriod.objects.filter(organization_id__in=organization_ids)
    return [
        OpenPeriodFacts(*row)
        for row in rows.order_by("organization_id").values_list(
            "organization_id", "number", "starts_at"
        )
    ]


# Late events fall into the open period with their own, earlier day: no bound on days.
# Lateral, for a plain join is planned by how much the average organization has, and
# then as a read of the whole fleet.
_OPEN = """
select p.organization_id, p.starts_at, u.cost, u.benchmark_cost
from metrics_openperiod p cross join lateral (
    select coalesce(sum(cost), 0) as cost,
        coalesce(sum(benchmark_cost), 0) as benchmark_cost
    from metrics_usage
    where organization_id = p.organization_id and period = p.number) u
where p.organization_id = any(%(ids)s::bigint[])
"""


def current_periods(organization_ids: Iterable[int]) -> dict[int, CurrentPeriod]:
    """The open period of each organization, in one statement."""
    rows = fetch_all(_OPEN, {"ids": array(organization_ids)})
    return {
        id_: CurrentPeriod(starts_at, PeriodCost(cost, mark))
        for id_, starts_at, cost, mark in rows
    }


def current_period(organization_id: int) -> CurrentPeriod:
    """Each has one from its first day on."""
    return current_periods([organization_id])[organization_id]


def open_period_costs(organization_ids: Iterable[int]) -> dict[int, PeriodCost]:
    """What the open period of each organization costs so far."""
    found = current_periods(organization_ids)
    return {id_: period.cost for id_, period in found.items()}


_NUMBERED = """
select p.id, u.cost, u.benchmark_cost
from unnest(%(ids)s::bigint[], %(numbers)s::integer[]) p (id, number)
cross join lateral (
    select coalesce(sum(cost), 0) as cost,
        coalesce(sum(benchmark_cost), 0) as benchmark_cost
    from metrics_usage where organization_id = p.id and period = p.number) u
"""


def period_costs(numbers: Mapping[int, int]) -> dict[int, PeriodCost]:
    """What a period of each organization costs, open or closed."""
    wanted = {"ids": array(numbers), "numbers": array(numbers.values())}
    rows = fetch_all(_NUMBERED, wanted)
    return {id_: PeriodCost(cost, mark) for id_, cost, mark in rows}


_METERS = """
select meter, sum(quantity), sum(u.cost), sum(benchmark_cost), sum(unpriced_quantity)
from metrics_openperiod p join metrics_usage u
    on u.organization_id = p.organization_id and u.period = p.number
where p.organization_id = %s
group by 1
"""


def open_period_meters(organization_id: int) -> dict[str, Amounts]:
    """What the open period used and costs so far, by meter; only those with usage."""
    with connection.cursor() as cursor:
        cursor.execute(_METERS, [organization_id])
        return {
            meter: Amounts(int(quantity), cost, benchmark_cost, int(unpriced))
            for meter, quantity, cost, benchmark_cost, unpriced in cursor.fetchall()
        }
