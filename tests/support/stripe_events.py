"""Stripe events as their webhooks carry them."""

from typing import Any

from tests.factories import NOW


def event_of(
    object_id: str, type_: str = "invoice.paid", **more: Any
) -> dict[str, Any]:
    """Return an event about an object, as JSON."""
    snapshot = {"id": object_id, "object": type_.partition(".")[0]}
    return {
        "id": f"evt_{type_}_{object_id}",
        "object": "event",
        "type": type_,
        "api_version": "2026-10-28.endive",
        "created": int(NOW.timestamp()),
        "data": {"object": snapshot},
        **more,
    }
