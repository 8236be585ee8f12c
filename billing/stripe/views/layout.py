"""The frame that the Stripe pages share: tabs with counts, and how the sync is doing."""

from typing import Any

from django.urls import reverse

from billing.staff import Desk
from billing.stripe.queries.sync_health import MANY, SyncHealth, sync_health


def health_of(desk: Desk) -> SyncHealth:
    """Return how the sync of everything this staff member may see is doing."""
    return sync_health(desk.white_labels, with_nobodys=desk.sees_all)


def page_context(desk: Desk, tab: str) -> dict[str, Any]:
    """Return the context of every Stripe page: tabs with counts, health and zone."""
    health = health_of(desk)
    counts = {
        "drifts": health.drift,
        "inbox": health.needy,
        "failures": health.failed,
    }
    return {
        "nav_key": "jobs",
        "desk": desk,
        "health": health,
        "now": desk.now,
        "zone": desk.zone,
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
    ("jobs", "Sync runs"),
    ("drifts", "Discrepancies"),
    ("inbox", "Webhook events"),
    ("failures", "Failed jobs"),
)


def _counted(count: int) -> str:
    if not count:
        return ""
    return f"{MANY}+" if count == MANY else str(count)
