"""Query of spending limits."""

from collections.abc import Sequence

from django.db import connection

_WITH_LIMIT = """
select distinct organization_id from billing_spendinglimit
where organization_id = any(%(ids)s) and amount > 0 order by 1
"""


def list_limited(organization_ids: Sequence[int]) -> list[int]:
    """Return the organizations among `organization_ids` that have a spending limit."""
    with connection.cursor() as cursor:
        cursor.execute(_WITH_LIMIT, {"ids": list(organization_ids)})
        return [id_ for (id_,) in cursor.fetchall()]
