"""Which organizations to look at, each by an index."""

from datetime import datetime

from django.db import connection

from billing.models.mirrors import UNPAID, SubscriptionKind, SubscriptionStatus
from orgs.models import Organization
from orgs.sql import sql_list

# What time alone can cross: a trial that nears its end or just ended, money that does
# not come.
_DUE = f"""
select organization_id from billing_subscription
where kind = '{SubscriptionKind.PLATFORM}' and status = '{SubscriptionStatus.TRIALING}'
    and trial_ends_at > %(now)s - interval '1 hour'
    and trial_ends_at <= %(now)s + interval '7 days'
union
select organization_id from billing_subscription
where kind = '{SubscriptionKind.PLATFORM}' and status in {sql_list(UNPAID)}
"""  # noqa: S608  ours


def list_due(now: datetime) -> list[int]:
    """Organizations that may have crossed something without using anything."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"now": now})
        return [id_ for (id_,) in cursor.fetchall()]


def list_after(organization_id: int, *, limit: int) -> list[int]:
    """The next ones by id, without the deleted ones."""
    rows = Organization.objects.active().filter(pk__gt=organization_id)
    return list(rows.order_by("pk").values_list("pk", flat=True)[:limit])
