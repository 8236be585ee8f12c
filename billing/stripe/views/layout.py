"""The shared context of the Stripe pages: tabs with counts, and the sync's health."""

from typing import Any

from django.urls import reverse

from billing.staff import StaffContext
from billing.stripe.queries.sync_health import MAX_COUNT, sync_health
from orgs.web.templatetags.display import defined


def page_context(staff: StaffContext, tab: str) -> dict[str, Any]:
    """Return the context of every Stripe page: tabs with counts, health and zone."""
    health = sync_health(staff.white_labels, include_unassigned=staff.sees_all)
    counts = {
        "discrepancies": health.open_discrepancies,
        "webhook_events": health.events_needing_action,
        "failed_jobs": health.failed_jobs,
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
                "count": _count_label(name, counts.get(name, 0)),
            }
            for name, label in _TABS
        ],
    }


# URL names and labels, in the order of the tabs.
_TABS = (
    ("stripe_sync", "Sync runs"),
    ("discrepancies", "Discrepancies"),
    ("webhook_events", "Webhook events"),
    ("failed_jobs", "Failed jobs"),
)


def _count_label(name: str, count: int) -> str:
    """Return a tab's count; that of discrepancies is the one of all pages."""
    if not count:
        return ""
    text = f"{MAX_COUNT:,}+" if count >= MAX_COUNT else f"{count:,}"
    if name != "discrepancies":
        return text
    return defined(text, count, number="stripe.open_discrepancies", of="visible")
