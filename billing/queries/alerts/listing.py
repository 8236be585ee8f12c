"""What the ledger says: of one organization, or of all that somebody may see."""

from datetime import datetime

from billing.models import Alert
from orgs.queries.prepared import fetch_all

_SENT = """
select a.kind, max(a.sent_at)
from billing_billingperiod p
join billing_alert a on a.organization_id = p.organization_id
    and a.billing_period = p.number
where p.organization_id = %(id)s and p.ends_at is null and a.sent_at is not null
group by a.kind
"""


def list_sent(organization_id: int) -> dict[str, datetime]:
    """By kind, when a letter of an alert of the open period last went out."""
    return dict(fetch_all(_SENT, {"id": organization_id}))


def list_fired(organization_id: int, *, since: datetime) -> list[Alert]:
    """What was recorded from then on, by kind."""
    rows = Alert.objects.filter(organization=organization_id, crossed_at__gte=since)
    return list(rows.order_by("kind", "id"))
