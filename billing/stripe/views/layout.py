"""The frame of the Stripe pages: tabs with counts, and how the sync is doing."""

from typing import Any

from django.urls import reverse

from billing.staff import StaffContext
from billing.stripe.queries.sync_health import MANY, SyncHealth, sync_health


def health_of(staff: StaffContext) -> SyncHealth:
    """Return how the sync of everything this staff member may see is doing."""
    return sync_health(staff.white_labels, with_nobodys=staff.sees_all)


def page_context(staff: StaffContext, tab: str) -> dict[str, Any]:
    """Return the context of every Stripe page: tabs with counts, health and zone."""
    health = health_of(staff)
    counts = {
        "discrepancies": health.discrepancy,
        "webhook_events": health.needy,
        "failed_jobs": health.failed,
    }
    return {
        "nav_key": "stripe",
        "staff": staff,
        "health": health,
        "now": staff.now,
        "zone": staff.zone,
        "tabs": [
            {
                "label": label,
                "url": reverse(f"billing:{name}"),
                "current": name == tab,
                "count": _counted(counts.get(name, 0)),
            }
            for name, label in _TABS
        ],
    }


_TABS = (
    ("stripe_sync", "Sync runs"),
    ("discrepancies", "Discrepancies"),
    ("webhook_events", "Webhook events"),
    ("failed_jobs", "Failed jobs"),
)


def _counted(count: int) -> str:
    if not count:
        return ""
    return f"{MANY}+" if count == MANY else str(count)
