"""The catalog of event types: what they report, and which of them has an end.

A kind of alert needs an entry here: its data is that of all alerts. Any other type also
needs a schema in `billing.webhooks.schemas.event_data`, and a receiver that writes it
into the outbox.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from billing.models.webhooks import EndpointKind

ALL = "*"  # of an endpoint: all event types, also future ones
RESOLVED = ".resolved"
TEST = "webhook.test"


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of event; an incident is one that a second event, its end, may follow.

    `alert_kinds` are the kinds of alerts that it reports, empty for other facts.
    """

    key: str
    description: str
    alert_kinds: tuple[str, ...] = ()
    is_incident: bool = False
    severity: str = "info"  # of PagerDuty: critical, error, warning or info

    @property
    def resolved_key(self) -> str:
        """The type of the event that reports its end; empty if there is none."""
        return f"{self.key}{RESOLVED}" if self.is_incident and self.alert_kinds else ""


_ALERTS = (
    EventType(
        "usage.unpriced",
        "Usage was recorded for which the price book has no rate.",
        ("unpriced",),
        is_incident=True,
        severity="error",
    ),
    EventType(
        "usage.missing",
        "An organization that had usage every day has none on a complete day.",
        ("stale_data",),
    ),
    EventType(
        "limit.soft_reached",
        "The payable cost of the open billing period reached the soft limit.",
        ("soft_limit",),
        is_incident=True,
        severity="warning",
    ),
    EventType(
        "limit.hard_reached",
        "The payable cost of the open billing period reached the hard limit; access is"
        " refused from then on.",
        ("hard_limit",),
        is_incident=True,
        severity="critical",
    ),
    EventType(
        "limit.forecast",
        "The forecast of the open billing period exceeds the soft limit.",
        ("pace",),
    ),
    EventType(
        "spend.spiked",
        "The cost of a day was three times the typical cost, or more.",
        ("spike",),
    ),
    EventType(
        "entitlement.threshold",
        "50, 80, or 90 percent of an entitlement is used, or a percentage that was"
        " chosen for the organization.",
        ("usage_50", "usage_80", "usage_90", "usage_share"),
    ),
    EventType(
        "limit.threshold",
        "The payable cost of the open billing period reached a percentage of the soft"
        " or hard limit that was chosen for the organization.",
        ("soft_share", "hard_share"),
    ),
    EventType(
        "entitlement.reached",
        "An entitlement is used in full.",
        ("usage_100",),
        is_incident=True,
        severity="warning",
    ),
    EventType(
        "credit.low",
        "The open billing period has used 80 percent, or all, of the free balance that"
        " pays for it in a trial.",
        ("balance_80", "balance_used"),
        is_incident=True,
        severity="warning",
    ),
    EventType(
        "payment.failed",
        "Stripe could not collect a payment of the organization.",
        ("payment_failed",),
        is_incident=True,
        severity="error",
    ),
    EventType(
        "webhook.disabled",
        "A webhook endpoint was disabled, because it answered 410 or every delivery"
        " failed for three days.",
        ("webhook_disabled",),
        is_incident=True,
        severity="error",
    ),
    EventType(
        "trial.ending", "A trial ends in 7 days or in 1.", ("trial_7", "trial_1")
    ),
    EventType(
        "period.reset",
        "A billing period or contract year with limits has started.",
        ("usage_reset",),
    ),
)
_ENDS = (
    EventType("usage.unpriced.resolved", "All such usage has a price, or was closed."),
    EventType(
        "limit.soft_reached.resolved",
        "The payable cost is below the soft limit again: the limit was raised or"
        " removed, the cost fell, or a new period started.",
    ),
    EventType(
        "limit.hard_reached.resolved",
        "The payable cost is below the hard limit again.",
    ),
    EventType(
        "entitlement.reached.resolved",
        "The entitlement is not used in full any more: it was raised, less is used, or"
        " a contract year started.",
    ),
    EventType(
        "credit.low.resolved", "Less than 80 percent of the free balance is used."
    ),
    EventType("webhook.disabled.resolved", "The webhook endpoint was enabled again."),
    EventType("payment.failed.resolved", "No payment of the organization is failing."),
)
_FACTS = (
    EventType(
        "access.changed",
        "Access of an organization is allowed or refused, or the reasons to refuse it"
        " changed.",
        is_incident=True,
        severity="critical",
    ),
    EventType("invoice.closed", "A billing period was closed, with its charges."),
    EventType("organization.created", "An organization was created."),
    EventType(
        "organization.updated",
        "Fields or entitlements of an organization changed.",
    ),
    EventType("organization.deleted", "An organization was deleted."),
    EventType("organization.restored", "A deleted organization was restored."),
)
EVENT_TYPES: dict[str, EventType] = {
    type_.key: type_
    for type_ in sorted((*_ALERTS, *_ENDS, *_FACTS), key=lambda type_: type_.key)
}
TYPE_OF_ALERT: dict[str, EventType] = {
    kind: type_ for type_ in _ALERTS for kind in type_.alert_kinds
}


def begins_of(key: str) -> str:
    """Return the type of the event that this one ends; the type itself otherwise."""
    return key.removesuffix(RESOLVED)


def is_incident(key: str) -> bool:
    """Return whether the type begins or ends an incident."""
    type_ = EVENT_TYPES.get(begins_of(key))
    return type_ is not None and type_.is_incident


def allowed_types(kind: str) -> list[str]:
    """Return the types that an endpoint of this kind can receive, in order.

    PagerDuty has incidents only: what never ends would stay open there for ever.
    """
    if kind == EndpointKind.PAGERDUTY:
        return [key for key in EVENT_TYPES if is_incident(key)]
    return list(EVENT_TYPES)


def unknown_types(keys: Iterable[str], kind: str) -> list[str]:
    """Return the given types that an endpoint of this kind cannot receive."""
    known = {ALL, *allowed_types(kind)}
    return [key for key in keys if key not in known]


def selects(event_types: Iterable[str], key: str, kind: str) -> bool:
    """Return whether an endpoint of these types and kind receives a type."""
    chosen = {*event_types}
    return key in chosen or (ALL in chosen and key in allowed_types(kind))
