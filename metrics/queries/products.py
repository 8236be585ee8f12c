from decimal import Decimal

from django.db import connection

_PRODUCTS = """
select product, sum(cost) from metrics_usage
where organization_id = %s and period = %s
group by 1 order by 1
"""


def product_costs(organization_id: int, *, number: int) -> dict[str, Decimal]:
    """What a period costs by product, exact; those that cost nothing, too."""
    with connection.cursor() as cursor:
        cursor.execute(_PRODUCTS, [organization_id, number])
        return dict(cursor.fetchall())
