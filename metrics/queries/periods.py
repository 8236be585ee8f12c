"""Exact costs of billing periods, summed from the daily usage that belongs to them."""

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
    """The open period of an organization: its number and when it started."""

    organization_id: int
    number: int
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class PeriodCost:
    """Exact cost of a period: the unrounded sum of its daily usage."""

    cost: Decimal = ZERO
    benchmark_cost: Decimal = ZERO

    @property
    def savings(self) -> Decimal:
        """Benchmark cost minus cost; negative where the benchmark is cheaper."""
        return self.benchmark_cost - self.cost


@dataclass(frozen=True, slots=True)
class CurrentPeriod:
    """An open period: when it started, and its exact cost to date."""

    starts_at: datetime
    cost: PeriodCost


def list_open_periods(organization_ids: Sequence[int]) -> list[OpenPeriodFacts]:
    """Return the open periods of these organizations, ordered by organization."""
    rows = OpenPeriod.objects.filter(organization_id__in=organization_ids)
    return [
        OpenPeriodFacts(*row)
        for row in rows.order_by("organization_id").values_list(
            "organization_id", "number", "starts_at"
        )
    ]


# Late events belong to the open period but keep their earlier day, so days are not
# bounded. Lateral, because a plain join is planned by the usage of an average
# organization, and then as a read of the whole fleet's.
_OPEN_PERIODS = """
select p.organization_id, p.starts_at, u.cost, u.benchmark_cost
from metrics_openperiod p cross join lateral (
    select coalesce(sum(cost), 0) as cost,
        coalesce(sum(benchmark_cost), 0) as benchmark_cost
    from metrics_usage
    where organization_id = p.organization_id and period = p.number) u
where p.organization_id = any(%(ids)s::bigint[])
"""


def current_periods(organization_ids: Iterable[int]) -> dict[int, CurrentPeriod]:
    """Return the open period of each organization with its cost; one query."""
    rows = fetch_all(_OPEN_PERIODS, {"ids": array(organization_ids)})
    return {
        id_: CurrentPeriod(starts_at, PeriodCost(cost, benchmark_cost))
        for id_, starts_at, cost, benchmark_cost in rows
    }


def current_period(organization_id: int) -> CurrentPeriod:
    """Return the open period of an organization: it has one from its creation on."""
    return current_periods([organization_id])[organization_id]


def open_period_costs(organization_ids: Iterable[int]) -> dict[int, PeriodCost]:
    """Return the cost to date of each organization's open period; one query."""
    periods = current_periods(organization_ids)
    return {id_: period.cost for id_, period in periods.items()}


# Lateral for the reason given at `_OPEN_PERIODS`.
_PERIOD_COSTS = """
select p.id, u.cost, u.benchmark_cost
from unnest(%(ids)s::bigint[], %(numbers)s::integer[]) p (id, number)
cross join lateral (
    select coalesce(sum(cost), 0) as cost,
        coalesce(sum(benchmark_cost), 0) as benchmark_cost
    from metrics_usage where organization_id = p.id and period = p.number) u
"""


def period_costs(numbers: Mapping[int, int]) -> dict[int, PeriodCost]:
    """Return the cost of one period of each organization, open or closed; one query.

    `numbers` is the number of the period by organization id.
    """
    parameters = {"ids": array(numbers), "numbers": array(numbers.values())}
    rows = fetch_all(_PERIOD_COSTS, parameters)
    return {id_: PeriodCost(cost, benchmark_cost) for id_, cost, benchmark_cost in rows}


_TOTAL = """
select coalesce(sum(cost), 0) from metrics_usage
where organization_id = %(organization_id)s
"""


def total_cost(organization_id: int) -> Decimal:
    """Return the exact cost of all usage of an organization; one query.

    Reads a row per day, product, meter and project, some 10,000 for a busy year.
    """
    [(cost,)] = fetch_all(_TOTAL, {"organization_id": organization_id})
    return Decimal(cost)


_METERS = """
select meter, sum(quantity), sum(u.cost), sum(benchmark_cost), sum(unpriced_quantity)
from metrics_openperiod p join metrics_usage u
    on u.organization_id = p.organization_id and u.period = p.number
where p.organization_id = %s
group by 1
"""


def open_period_meters(organization_id: int) -> dict[str, Amounts]:
    """Return usage and cost to date of the open period, for each meter with usage."""
    with connection.cursor() as cursor:
        cursor.execute(_METERS, [organization_id])
        return {
            meter: Amounts(int(quantity), cost, benchmark_cost, int(unpriced))
            for meter, quantity, cost, benchmark_cost, unpriced in cursor.fetchall()
        }
