"""Intake of Stripe events, from webhooks or from Stripe's list; each is stored once."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from psycopg.types.json import Jsonb

from billing import gateway
from billing.models import StripeEvent

ENQUEUED_WITHIN = timedelta(seconds=30)  # later, a sweep enqueues the event again
PULL_SPAN = timedelta(days=4)  # Stripe retries a webhook for three days


def receive(event: gateway.Event, *, source: str = "webhook") -> int | None:
    """Store an event and return its row's id to enqueue; null if it is known.

    Of duplicates that arrive at once, a unique index on Stripe's id lets one in.
    """
    now = timezone.now()
    values: dict[str, Any] = {
        "event_id": _storable(event.id),
        "type": _storable(event.type),
        "api_version": _storable(event.api_version[:40]),
        "object_id": _storable(event.object_id[:255]),
        "source": source,
        "payload": Jsonb(_storable(event.payload)),
        "happened_at": event.created_at or now,
        "now": now,
        "sweep_after": now + ENQUEUED_WITHIN,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_INSERT, values)
        row = cursor.fetchone()
    return row[0] if row else None


_INSERT = f"""
insert into billing_stripeevent (event_id, type, api_version, object_id, source,
    payload,
    happened_at, received_at, state, reason, attempts, next_attempt_at, sweep_after,
    error_code, error)
values (%(event_id)s, %(type)s, %(api_version)s, %(object_id)s, %(source)s, %(payload)s,
    %(happened_at)s, %(now)s, '{StripeEvent.State.PENDING}', '', 0, %(now)s,
    %(sweep_after)s, '', '')
on conflict (event_id) do nothing returning id
"""  # noqa: S608  a constant of the model


def _storable(value: Any) -> Any:
    """Return a JSON value without NUL characters, which PostgreSQL cannot store."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, Mapping):
        return {_storable(name): _storable(item) for name, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list) else value


def pull_undelivered() -> list[int]:
    """Store the events of the last days that no endpoint accepted.

    Returns the ids of new rows, to enqueue.
    """
    since, after, ids = timezone.now() - PULL_SPAN, "", []
    while True:
        page = gateway.list_events(since=since, after=after, delivered=False)
        ids += [receive(event, source=StripeEvent.Source.PULL) for event in page.items]
        if not (after := page.next_cursor):
            return [id_ for id_ in ids if id_ is not None]
