"""Contract B in tests: a client, and the fields of its organization."""

from datetime import datetime
from typing import Any

from django.test import Client

from billing.models import Subscription
from orgs.models import Organization

TEXT, WHOLE, NUMBER, TRUTH = "text", "whole number", "number", "truth"
INSTANT, OBJECT, LIST = "instant", "object", "list"

_ALERTS = [
    "soft_limit",
    "hard_limit",
    "payment_failed",
    "usage_reset",
    "usage_50",
    "usage_80",
    "usage_90",
    "usage_100",
]
_AMOUNTS = [
    f"{side}_tokens_{what}"
    for side in ("prompt", "completion", "total")
    for what in ("cost", "cost_savings")
]
_COUNTS = [
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "num_requests",
    "num_apps",
]
_MAYBE_TEXTS = [
    "subscription_price_id",
    "billing_email",
    "org_display_name",
    "org_logo",
    "address_1",
    "address_2",
    "address_city",
    "address_zip",
    "address_state",
    "address_country",
    "hubspot_id",
    "prom_id",
    "prom_token",
    "prom_endpoint",
    "loki_id",
    "loki_token",
    "loki_endpoint",
]
_MAYBE_WHOLES = [
    "spaces_subscription_seats",
    "spaces_subscription_cancel_at",
    "trial_end",
]
_MAYBE_NUMBERS = ["free_balance", "spending_limit_soft", "spending_limit_hard"]

# Field: its type, and whether null is allowed.
FIELDS: dict[str, tuple[str, bool]] = {
    **dict.fromkeys(["id", "org_name", "org_creator", "org_stripe_id"], (TEXT, False)),
    **dict.fromkeys(["last_invoice_date", "rate_limit", *_COUNTS], (WHOLE, False)),
    **dict.fromkeys(_AMOUNTS, (NUMBER, False)),
    **dict.fromkeys(["is_active", "is_personal"], (TRUTH, False)),
    **dict.fromkeys(_MAYBE_TEXTS, (TEXT, True)),
    **dict.fromkeys(_MAYBE_WHOLES, (WHOLE, True)),
    **dict.fromkeys(_MAYBE_NUMBERS, (NUMBER, True)),
    **dict.fromkeys(["added_on", "modified_on"], (INSTANT, True)),
    **dict.fromkeys(["alert_emails", "subscription_pause_reason"], (OBJECT, True)),
    "currency": (TEXT, False),
    "subscription_tier": (TEXT, True),
    "subscription_cycle": (TEXT, True),
    "spaces_subscription_tier": (TEXT, True),
    "spaces_subscription_status": (TEXT, True),
}
WORDS: dict[str, set[str | None]] = {
    "currency": {"usd"},
    "subscription_cycle": {"monthly", "yearly", None},
    "subscription_tier": {
        "_NONE_",
        "_TRIAL_",
        "_INTERNAL_",
        "STARTUP",
        "GROWTH",
        "SCALE",
        "ENTERPRISE",
        None,
    },
    "spaces_subscription_tier": {"INTERNAL", "FREE", "PRO", "TEAM", "ENTERPRISE", None},
    "spaces_subscription_status": {"active", "unpaid", None},
}
ALERTS = dict.fromkeys(_ALERTS, (INSTANT, True))
INVOICE = {
    "invoice_id": (TEXT, False),
    "invoice_number": (TEXT, True),
    "amount": (NUMBER, False),
    "timestamp": (WHOLE, False),
    "pause_reason": (TEXT, False),
    "invoice_name": (TEXT, True),
    "payment_link": (TEXT, True),
    "severity": (WHOLE, False),
}


def faults(body: dict[str, Any]) -> list[str]:
    """Return what is missing, unexpected, or has another type or value than allowed."""
    problems = _faults(body, FIELDS)
    problems += [
        f"{name}: {body[name]!r}"
        for name, words in WORDS.items()
        if body.get(name) not in words
    ]
    problems += _faults(body["alert_emails"], ALERTS)
    for invoice in (body["subscription_pause_reason"] or {}).get("invoices", []):
        problems += _faults(invoice, INVOICE)
    return problems


def _faults(body: dict[str, Any], fields: dict[str, tuple[str, bool]]) -> list[str]:
    problems = [f"{name}: only on one side" for name in body.keys() ^ fields.keys()]
    for name, (kind, may_be_null) in fields.items():
        value = body.get(name)
        fits = may_be_null if value is None else _is(kind, value)
        if not fits:
            problems.append(f"{name}: {value!r} is no {kind}")
    return problems


def _is(kind: str, value: Any) -> bool:
    if kind == INSTANT:
        return datetime.fromisoformat(value).tzinfo is not None
    python: dict[str, tuple[type, ...]] = {
        TEXT: (str,),
        TRUTH: (bool,),
        OBJECT: (dict,),
        WHOLE: (int,),
        NUMBER: (int, float),
    }
    is_truth = isinstance(value, bool)
    return isinstance(value, python[kind]) and is_truth == (kind == TRUTH)


class Ask:
    """Client of contract B with a key of one organization."""

    def __init__(self, client: Client, key: str) -> None:
        self.client, self.headers = client, {"authorization": f"Bearer {key}"}

    def put(self, path: str, body: Any) -> Any:
        return self.client.put(
            f"/v1/{path}", body, content_type="application/json", headers=self.headers
        )

    def get(self, path: str) -> Any:
        return self.client.get(f"/v1/{path}", headers=self.headers)


def subscribe(organization: Organization, **changes: Any) -> Subscription:
    return Subscription.objects.create(
        organization=organization,
        **{
            "stripe_id": "sub_7",
            "status": "active",
            "tier": "growth",
            "stripe_price_id": "price_7",
            **changes,
        },
    )
