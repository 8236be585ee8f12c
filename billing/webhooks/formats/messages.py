"""An event as a message for people: a title, figures, and a link."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.urls import reverse

from billing.webhooks.event_types import EVENT_TYPES, RESOLVED, begins_of
from orgs.web.templatetags import display

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """The title and figures of an event; `url` is empty for a sample."""

    title: str
    figures: tuple[tuple[str, str], ...]
    url: str
    severity: str
    ends: bool  # true if it reports the end of an incident


def message_of(payload: Mapping[str, Any], *, is_test: bool = False) -> Message:
    """Return the message of an event, from its payload."""
    key, data = payload["type"], payload["data"]
    title = _title(key, data)
    return Message(
        title=f"Test: {title}" if is_test else title,
        figures=tuple(_figures(key, data)),
        url="" if is_test else _url(key, data),
        severity=_severity(key, data),
        ends=is_end(key, data),
    )


def is_end(key: str, data: Data) -> bool:
    """Return whether an event ends an incident: access that is allowed again, too."""
    return key.endswith(RESOLVED) or (key == "access.changed" and data["allowed"])


def _severity(key: str, data: Data) -> str:
    return "info" if is_end(key, data) else EVENT_TYPES[begins_of(key)].severity


def _money(data: Data, name: str) -> str:
    amount = data.get(name)
    return "" if amount is None else display.money(amount, data["currency"])


def _access(data: Data) -> str:
    if data["allowed"]:
        return "API access is allowed again"
    return "API access is refused"


def _invoice(data: Data) -> str:
    number, total = data["period"]["number"], _money(data, "total")
    return f"billing period {number} was closed: {total}"


_TITLES: dict[str, Callable[[Data], str]] = {
    "usage.unpriced": lambda d: f"usage of {d['product']} ({d['meter']}) has no price",
    "usage.unpriced.resolved": lambda d: f"{d['subject']} has no unpriced usage now",
    "usage.missing": lambda d: "no usage received",
    "limit.soft_reached": lambda d: f"soft limit of {_money(d, 'limit')} reached",
    "limit.soft_reached.resolved": lambda d: "below the soft limit again",
    "limit.hard_reached": lambda d: f"hard limit of {_money(d, 'limit')} reached",
    "limit.hard_reached.resolved": lambda d: "below the hard limit again",
    "limit.threshold": lambda d: d["alert"]["label"],
    "limit.forecast": lambda d: "forecast to exceed the soft limit",
    "spend.spiked": lambda d: f"spend spike of {_money(d, 'value')} on {d['day']}",
    "entitlement.threshold": lambda d: d["alert"]["label"],
    "entitlement.reached": lambda d: d["alert"]["label"],
    "entitlement.reached.resolved": lambda d: f"{d['subject']} is available again",
    "credit.low": lambda d: (
        f"{_money(d, 'value')} of the free balance of {_money(d, 'limit')} used"
    ),
    "credit.low.resolved": lambda d: "free balance is sufficient again",
    "payment.failed": lambda d: "payment failed",
    "payment.failed.resolved": lambda d: "no payment is failing any more",
    "webhook.disabled": lambda d: (
        f"webhook endpoint {d['alert']['subject']} was disabled"
    ),
    "webhook.disabled.resolved": lambda d: (
        f"webhook endpoint {d['subject']} is enabled"
    ),
    "trial.ending": lambda d: d["alert"]["label"],
    "period.reset": lambda d: "a new period has started",
    "access.changed": _access,
    "invoice.closed": _invoice,
    "organization.created": lambda d: "organization created",
    "organization.updated": lambda d: f"changed: {', '.join(d['changed'])}",
    "organization.deleted": lambda d: "organization deleted",
    "organization.restored": lambda d: "organization restored",
}


def _title(key: str, data: Data) -> str:
    return f"{data['organization']['name']}: {_TITLES[key](data)}"


# Alerts whose subject is a code or stands in the title, and those not about money.
_WITHOUT_SUBJECT = frozenset({"period.reset", "webhook.disabled"})
_WITHOUT_COST = frozenset({"webhook.disabled"})


def _figures(key: str, data: Data) -> list[tuple[str, str]]:
    begins = begins_of(key)
    subject = data.get("alert", data).get("subject") or ""
    figures = [
        ("Subject", "" if begins in _WITHOUT_SUBJECT else subject),
        (
            "Cost this period",
            "" if begins in _WITHOUT_COST else _money(data, "payable"),
        ),
        ("Soft limit", _money(data, "soft_limit")),
        ("Hard limit", _money(data, "hard_limit")),
        ("Projected on", data.get("projected_on") or ""),
        *(("Reason", reason["message"]) for reason in data.get("reasons", ())),
        ("Organization ID", data["organization"]["external_id"]),
    ]
    return [(label, text) for label, text in figures if text]


_PAGES = {
    "invoice": "billing:periods",
    "access": "billing:access",
    "webhook": "billing:organization_webhooks",
}


def _url(key: str, data: Data) -> str:
    group = key.partition(".")[0]
    name = _PAGES.get(group, "billing:alerts" if "currency" in data else "")
    page = reverse(name or "billing:overview", args=[data["organization"]["id"]])
    return f"{settings.SITE_URL}{page}"
