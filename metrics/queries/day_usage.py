"""Daily usage by product, meter, and billing period, as it adds up over time."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from orgs.queries.prepared import fetch_all

_SQL = """
select day, period, product, meter, sum(quantity), sum(cost), sum(unpriced_quantity)
from metrics_usage
where organization_id = %(organization_id)s and day <= %(until)s
group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""


@dataclass(frozen=True, slots=True)
class DayUsage:
    """Usage of a meter of a product on a day that belongs to a billing period."""

    day: date
    period: int
    product: str
    meter: str
    quantity: int
    cost: Decimal
    unpriced: int


def list_day_usage(organization_id: int, *, until: date) -> list[DayUsage]:
    """Return all usage of an organization up to a day, oldest first; one query.

    Reads at most a row per day, product, meter and project.
    """
    rows = fetch_all(_SQL, {"organization_id": organization_id, "until": until})
    return [
        DayUsage(day, period, product, meter, int(quantity), cost, int(unpriced))
        for day, period, product, meter, quantity, cost, unpriced in rows
    ]
