"""The endpoints that want events of organizations."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from billing.models.webhooks import EndpointKind
from billing.webhooks.event_types import (
    RESOLVED,
    TYPE_OF_ALERT,
    allowed_types,
    begins_of,
    selects,
)
from orgs.queries.prepared import array, fetch_all

_ALERT_TYPES = frozenset(type_.key for type_ in TYPE_OF_ALERT.values())


@dataclass(frozen=True, slots=True)
class Subscriber:
    """An endpoint that may want events of an organization.

    `is_alert_recipient`: it gets the alerts of this organization, whatever types it
    selects. A channel is for people: it gets no alerts while they are snoozed.
    """

    endpoint_id: int
    kind: str
    event_types: Sequence[str]
    is_enabled: bool
    is_alert_recipient: bool

    @property
    def is_channel(self) -> bool:
        """True if people read what it receives."""
        return self.kind != EndpointKind.WEBHOOK

    def wants(self, key: str) -> bool:
        """Return whether an event of this type is for the endpoint."""
        if selects(self.event_types, key, self.kind):
            return True
        is_alert = begins_of(key) in _ALERT_TYPES
        return self.is_alert_recipient and is_alert and key in allowed_types(self.kind)


Subscribers = Mapping[int, Sequence[Subscriber]]

# Endpoints are few. Each is joined with the organizations in question by the white
# label: no row if it has none.
_SUBSCRIBERS = """
select o.id, e.id, e.kind, e.event_types, e.disabled_at is null,
    exists (select from billing_alertrecipient r
        where r.organization_id = o.id and r.endpoint_id = e.id)
from orgs_organization o
join billing_webhookendpoint e on e.white_label_id = o.white_label_id
    and (e.organization_id is null or e.organization_id = o.id)
where o.id = any(%(ids)s::bigint[])
order by o.id, e.id
"""


def find_subscribers(organization_ids: Iterable[int]) -> dict[int, list[Subscriber]]:
    """Return the endpoints by organization; those without any have no entry.

    One statement. Disabled endpoints are included: what they miss can be replayed.
    """
    subscribers: dict[int, list[Subscriber]] = {}
    for id_, *row in fetch_all(_SUBSCRIBERS, {"ids": array(organization_ids)}):
        subscribers.setdefault(id_, []).append(Subscriber(*row))
    return subscribers


def wanting(subscribers: Subscribers, keys: Iterable[str]) -> list[int]:
    """Return the organizations of which an endpoint wants one of these types."""
    types = [type_ for key in keys for type_ in (key, f"{key}{RESOLVED}")]
    return [
        id_
        for id_, endpoints in subscribers.items()
        if any(endpoint.wants(key) for endpoint in endpoints for key in types)
    ]
