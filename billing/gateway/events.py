from datetime import datetime

import orjson

from billing.gateway import calls
from billing.gateway.errors import Malformed
from billing.gateway.reading import Node
from billing.gateway.shapes import Event, Page


def get_event(id_: str) -> Event:
    """Stripe forgets them after 30 days."""
    return Event.read(calls.get(calls.place("events", id_)).named("event"))


def list_events(
    *,
    since: datetime | None = None,
    after: str = "",
    delivered: bool | None = None,
) -> Page[Event]:
    """Newest first; `delivered=False` are those that an endpoint still waits for."""
    return calls.page(
        "/v1/events",
        Event.read,
        delivery_success=delivered,
        **calls.window(after=after, since=since),
    )


def read_event(body: bytes) -> Event:
    """Of a webhook's body, in any version; raises `Malformed` for what is no event."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Malformed("event", "is no JSON") from None
    return Event.read(Node.of(value, "event"))
