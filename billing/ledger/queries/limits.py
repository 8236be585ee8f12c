"""Queries of spending limits."""

from collections.abc import Sequence
from decimal import Decimal

from django.conf import settings
from django.db import connection

from billing.models import SpendingLimit

_WITH_LIMIT = """
select distinct organization_id from billing_spendinglimit
where organization_id = any(%(ids)s) and amount > 0 order by 1
"""


def list_limited(organization_ids: Sequence[int]) -> list[int]:
    """Return the organizations among `organization_ids` that have a spending limit."""
    with connection.cursor() as cursor:
        cursor.execute(_WITH_LIMIT, {"ids": list(organization_ids)})
        return [id_ for (id_,) in cursor.fetchall()]


def is_large_raise(organization_id: int, hard: Decimal | None) -> bool:
    """Return whether a new hard limit lets an organization use much more than before.

    It is above `LARGE_LIMIT`, in the currency of the white label, and above the present
    one; none, or 0, is above all amounts.
    """
    rows = SpendingLimit.objects.filter(
        organization_id=organization_id, kind=SpendingLimit.Kind.HARD
    )
    old = rows.values_list("amount", flat=True).first()
    if not old:
        return False
    return not hard or hard > max(old, Decimal(settings.LARGE_LIMIT))


def read_limits(organization_id: int) -> dict[str, str]:
    """Return the soft and the hard limit as texts, empty for none."""
    rows = SpendingLimit.objects.filter(organization=organization_id, amount__gt=0)
    limits = dict.fromkeys(("soft", "hard"), "")
    for kind, amount in rows.values_list("kind", "amount"):
        limits[kind] = f"{amount.normalize():f}" if amount else ""
    return limits
