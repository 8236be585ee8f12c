"""Events of the Stripe account, from the API or from a webhook."""

from datetime import datetime

import orjson

from billing.gateway import calls
from billing.gateway.errors import Malformed
from billing.gateway.nodes import Node
from billing.gateway.objects import Event, Page


def get_event(id_: str) -> Event:
    """Return an event; Stripe deletes events after 30 days."""
    return Event.read(calls.get(calls.object_path("events", id_)).as_kind("event"))


def list_events(
    *,
    since: datetime | None = None,
    after: str = "",
    delivered: bool | None = None,
) -> Page[Event]:
    """Return a page of events, newest first.

    With `delivered=False`, only events that some webhook endpoint has not accepted yet.
    """
    return calls.page(
        "/v1/events",
        Event.read,
        delivery_success=delivered,
        **calls.list_parameters(after=after, since=since),
    )


def read_event(body: bytes) -> Event:
    """Return the event in a webhook's body, in any API version.

    Raises `Malformed` if the body is not an event.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Malformed("event", "is not JSON") from None
    return Event.read(Node.from_value(value, "event"))
