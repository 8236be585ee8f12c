"""The outbox: events with a fixed payload, and a delivery for each endpoint."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from django.db import transaction

from billing.models import OutgoingEvent, WebhookDelivery, WebhookEndpoint
from billing.models.webhooks import DeliveryReason, new_event_key
from billing.webhooks.event_types import TEST
from billing.webhooks.queries.subscribers import Subscriber, Subscribers


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to write; `data` can be written as JSON.

    `object_key` names what it is about: an endpoint gets the events of an object one
    after the other. Channels do not get what `is_snoozed`.
    """

    type: str
    organization_id: int
    white_label_id: int
    object_key: str
    data: Mapping[str, Any]
    occurred_at: datetime
    is_snoozed: bool = False
    key: str = field(default_factory=new_event_key)

    @property
    def payload(self) -> str:
        """The body that every delivery sends, to the byte."""
        return write_payload(self.key, self.type, self.occurred_at, self.data)

    def is_for(self, subscriber: Subscriber) -> bool:
        """Return whether an endpoint gets it."""
        is_silent = self.is_snoozed and subscriber.is_channel
        return subscriber.wants(self.type) and not is_silent


def write_payload(
    key: str, type_: str, occurred_at: datetime, data: Mapping[str, Any]
) -> str:
    """Return the body of an event as JSON."""
    body = {"id": key, "type": type_, "timestamp": occurred_at, "data": data}
    return orjson.dumps(body, option=orjson.OPT_UTC_Z).decode()


@transaction.atomic
def write_events(events: Iterable[NewEvent], subscribers: Subscribers) -> list[int]:
    """Write the events that an endpoint wants, with their deliveries.

    Call it in the transaction of the facts, after their rows are locked: the order of
    the ids is the order of delivery. Return the endpoints to send to. Two statements.
    """
    selected = [
        (event, endpoints)
        for event in events
        if (endpoints := _endpoints(event, subscribers))
    ]
    rows = OutgoingEvent.objects.bulk_create(_row(event) for event, _ in selected)
    deliveries = [
        WebhookDelivery(
            endpoint_id=endpoint.endpoint_id, event=row, object_key=row.object_key
        )
        for row, (_, endpoints) in zip(rows, selected, strict=True)
        for endpoint in endpoints
        if endpoint.is_enabled
    ]
    WebhookDelivery.objects.bulk_create(deliveries)
    return sorted({delivery.endpoint_id for delivery in deliveries})


def _endpoints(event: NewEvent, subscribers: Subscribers) -> Sequence[Subscriber]:
    candidates = subscribers.get(event.organization_id, ())
    return [candidate for candidate in candidates if event.is_for(candidate)]


def _row(event: NewEvent) -> OutgoingEvent:
    return OutgoingEvent(
        key=event.key,
        type=event.type,
        organization_id=event.organization_id,
        white_label_id=event.white_label_id,
        object_key=event.object_key,
        payload=event.payload,
        occurred_at=event.occurred_at,
    )


@transaction.atomic
def write_test(
    endpoint: WebhookEndpoint,
    type_: str,
    data: Mapping[str, Any],
    *,
    by: str,
    now: datetime,
) -> WebhookDelivery:
    """Write a test event with sample data for one endpoint; return its delivery.

    It is never replayed, and waits for no other: its object is itself.
    """
    key = new_event_key()
    event = OutgoingEvent.objects.create(
        key=key,
        type=type_,
        organization_id=endpoint.organization_id,
        white_label_id=endpoint.white_label_id,
        object_key=f"{TEST}:{key}",
        payload=write_payload(key, type_, now, data),
        is_test=True,
        occurred_at=now,
    )
    return WebhookDelivery.objects.create(
        endpoint=endpoint,
        event=event,
        object_key=event.object_key,
        reason=DeliveryReason.TEST,
        requested_by=by,
    )
