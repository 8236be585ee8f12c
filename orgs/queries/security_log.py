"""The security log: events by the filters of its page, newest first."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from django.db.models import Q, QuerySet

from orgs.models import SecurityEvent
from orgs.queries.paging import Order, Page, fetch_page

PAGE_ROWS = 100
_ROWS_AT_ONCE = 2_000
_NEWEST = Order("at", descending=True)


@dataclass(frozen=True, slots=True)
class SecurityFilters:
    """Which events are listed; empty filters list all.

    `white_label_id` limits to one white label; None is all. `person` is a user name,
    `key_id` an API key: the actor, or what the event is about. `since` is included,
    `until` is not.
    """

    white_label_id: int | None = None
    kind: str = ""
    outcome: str = ""
    person: str = ""
    key_id: int | None = None
    network: IPv4Network | IPv6Network | None = None
    since: datetime | None = None
    until: datetime | None = None


def security_page(
    filters: SecurityFilters, *, cursor: str, scope: str
) -> Page[SecurityEvent]:
    """Return a page of events; one statement. Raises `invalid_cursor`."""
    rows = security_events(filters)
    return fetch_page(rows, _NEWEST, size=PAGE_ROWS, cursor=cursor, scope=scope)


def iterate_events(filters: SecurityFilters) -> Iterator[SecurityEvent]:
    """Yield all events of the filters, newest first; memory stays bounded."""
    rows, after = security_events(filters), None
    while batch := list(_NEWEST.sort(rows, after)[:_ROWS_AT_ONCE]):
        yield from batch
        after = (batch[-1].at, batch[-1].pk)


def security_events(filters: SecurityFilters) -> QuerySet[SecurityEvent]:
    """Return the events of the filters, in no order."""
    rows = SecurityEvent.objects.filter(**_exact(filters))
    if filters.person:
        rows = rows.filter(_by_or_about("person", actor_name=filters.person))
    if filters.key_id is not None:
        rows = rows.filter(_by_or_about("api_key", actor_id=filters.key_id))
    if filters.network is not None:
        rows = rows.filter(**_in_network(filters.network))
    return rows


def _exact(filters: SecurityFilters) -> dict[str, Any]:
    conditions = {
        "white_label_id": filters.white_label_id,
        "kind": filters.kind or None,
        "outcome": filters.outcome or None,
        "at__gte": filters.since,
        "at__lt": filters.until,
    }
    return {name: value for name, value in conditions.items() if value is not None}


def _by_or_about(kind: str, **actor: Any) -> Q:
    """Return the condition that an actor of a kind acted, or is what it is about."""
    [(name, value)] = actor.items()
    subject = {name.replace("actor", "subject"): value}
    return Q(actor_kind=kind, **actor) | Q(subject_kind=kind, **subject)


def _in_network(network: IPv4Network | IPv6Network) -> dict[str, str]:
    """Return the condition that an address is in a network; an index finds a range."""
    first, last = str(network.network_address), str(network.broadcast_address)
    if first == last:
        return {"address": first}
    return {"address__gte": first, "address__lte": last}
