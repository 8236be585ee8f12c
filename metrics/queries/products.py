"""Costs of a billing period by product, as invoices list them."""

from decimal import Decimal

from django.db import connection

_PRODUCT_COSTS = """
select product, sum(cost) from metrics_usage
where organization_id = %s and period = %s
group by 1 order by 1
"""


def product_costs(organization_id: int, *, number: int) -> dict[str, Decimal]:
    """Return the exact cost of each product used in a period, including those at 0."""
    with connection.cursor() as cursor:
        cursor.execute(_PRODUCT_COSTS, [organization_id, number])
        return dict(cursor.fetchall())
