"""A line of the usage that a white label has received, if there is any."""

from dataclasses import dataclass
from decimal import Decimal

from orgs.queries.prepared import fetch_all

# An organization is looked at by the index on its usage. All of them are, if none has
# usage: a white label without usage has few.
_SQL = """
select o.id, o.name, u.product, u.meter, u.quantity, u.cost, u.unpriced_quantity > 0
from orgs_organization o cross join lateral (
    select * from metrics_usage where organization_id = o.id limit 1
) u
where o.white_label_id = %(white_label_id)s limit 1
"""


@dataclass(frozen=True, slots=True)
class FirstUsage:
    """A line of usage of an organization; unpriced usage costs nothing yet."""

    organization_id: int
    organization: str
    product: str
    meter: str
    quantity: Decimal
    cost: Decimal
    is_unpriced: bool


def find_usage(white_label_id: int) -> FirstUsage | None:
    """Return any line of a white label's usage; None if nothing was recorded."""
    rows = fetch_all(_SQL, {"white_label_id": white_label_id})
    return FirstUsage(*rows[0]) if rows else None
