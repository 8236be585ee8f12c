"""Webhook endpoints of tests, and what the outbox has for them."""

from typing import Any

import orjson

from billing.models import OutgoingEvent, WebhookDelivery, WebhookEndpoint
from billing.webhooks.commands.endpoints import IncomingEndpoint, create_endpoint
from billing.webhooks.commands.sending import worker
from orgs.models import Organization, WhiteLabel


def make_endpoint(
    label: WhiteLabel,
    *types: str,
    organization: Organization | None = None,
    url: str = "https://hooks.example/in",
    kind: str = "webhook",
    secret: str = "",
) -> WebhookEndpoint:
    """Create an endpoint of these types, or of all."""
    incoming = IncomingEndpoint(kind, url, types or ("*",), "test", secret)
    return create_endpoint(label, organization, incoming, by="test")[0]


def events(*types: str) -> list[OutgoingEvent]:
    """Return the events in the outbox, oldest first."""
    rows = OutgoingEvent.objects.order_by("id")
    return list(rows.filter(type__in=types) if types else rows)


def event_types() -> list[str]:
    """Return the types of the events in the outbox, oldest first."""
    return [event.type for event in events()]


def data_of(event: OutgoingEvent) -> dict[str, Any]:
    """Return the data of an event, read from its payload."""
    data: dict[str, Any] = orjson.loads(event.payload)["data"]
    return data


def deliveries(endpoint: WebhookEndpoint) -> list[WebhookDelivery]:
    """Return the deliveries to an endpoint, oldest first."""
    rows = WebhookDelivery.objects.filter(endpoint=endpoint).select_related("event")
    return list(rows.order_by("id"))


def deliver() -> list[int]:
    """Send what is due; return the endpoints that were disabled."""
    disabled: list[int] = []
    worker.run(disabled.append)
    return disabled
