"""The organizations to evaluate; each query uses an index."""

from datetime import datetime

from django.db import connection

from billing.models.mirrors import UNPAID, SubscriptionKind, SubscriptionStatus
from orgs.models import Organization
from orgs.sql import sql_list

# Alerts that time alone can trigger: a trial that ends within a week or ended in the
# last hour, and payments that are overdue.
_DUE = f"""
select organization_id from billing_subscription
where kind = '{SubscriptionKind.PLATFORM}' and status = '{SubscriptionStatus.TRIALING}'
    and trial_ends_at > %(now)s - interval '1 hour'
    and trial_ends_at <= %(now)s + interval '7 days'
union
select organization_id from billing_subscription
where kind = '{SubscriptionKind.PLATFORM}' and status in {sql_list(UNPAID)}
"""  # noqa: S608  only constants


def list_due(now: datetime) -> list[int]:
    """Return the organizations that may have reached a threshold without any usage."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"now": now})
        return [id_ for (id_,) in cursor.fetchall()]


def list_after(organization_id: int, *, limit: int) -> list[int]:
    """Return the next organizations by id, without deleted ones."""
    rows = Organization.objects.active().filter(pk__gt=organization_id)
    return list(rows.order_by("pk").values_list("pk", flat=True)[:limit])
