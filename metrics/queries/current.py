"""What an organization's pages say of now: its open period, and a sum of some days."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metrics.periods import DayRange
from metrics.queries.periods import PeriodCost
from orgs.queries.prepared import fetch_all


@dataclass(frozen=True, slots=True)
class CurrentPeriod:
    """The open period: since when, and its exact cost so far."""

    starts_at: datetime
    cost: PeriodCost


_CURRENT = """
select p.starts_at, coalesce(sum(u.cost), 0), coalesce(sum(u.benchmark_cost), 0)
from metrics_openperiod p left join metrics_dailyusage u
    on u.organization_id = %(organization_id)s and u.period = p.number
where p.organization_id = %(organization_id)s
group by 1
"""


def current_period(organization_id: int) -> CurrentPeriod:
    """One statement of one organization; each has an open period from its first day."""
    rows = fetch_all(_CURRENT, {"organization_id": organization_id})
    starts_at, cost, benchmark_cost = rows[0]
    return CurrentPeriod(starts_at, PeriodCost(cost, benchmark_cost))


_COST = """
select coalesce(sum(cost), 0) from metrics_dailyusage
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
