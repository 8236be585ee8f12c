"""The `data` of each type of event: its schema, and a sample."""

from decimal import Decimal
from functools import cache
from typing import Any

from ninja import Schema
from pydantic import AwareDatetime, Field

from billing.alerts.kinds import ALERT_KINDS, kind_at
from billing.webhooks.event_types import EVENT_TYPES, RESOLVED, TYPE_OF_ALERT
from orgs.schemas.organizations import OrganizationDetailOut

_NULL = "null if it does not apply."


class EventOrganization(Schema):
    """The organization that an event is about."""

    id: int = Field(description="The ID in Orgdesk.")
    external_id: str = Field(description="Your ID of the organization.")
    name: str = Field(description="The display name.")
    white_label: str = Field(description="The slug of its white label.")


class EventAlert(Schema):
    """The alert that an event reports, as the history of alerts has it."""

    id: int = Field(description="The ID of the alert.")
    kind: str = Field(description="The kind of alert, such as `soft_limit`.")
    label: str = Field(description="The kind as a text for people.")
    subject: str = Field(
        description="An entitlement, a product and meter, or the Stripe ID of a"
        " subscription; empty if there is only one subject."
    )
    period: int = Field(description="The number of the billing period open then.")


class AlertEventData(Schema):
    """The figures of an alert at the time of the alert."""

    organization: EventOrganization = Field(description="The organization.")
    alert: EventAlert = Field(description="The alert.")
    currency: str = Field(description="The currency of amounts.")
    unit: str = Field(
        description="The unit of `value` and `limit`: `money`, `days`, `seconds`,"
        " `bytes`, `count`, or empty."
    )
    value: float = Field(description="What was measured.")
    limit: float = Field(description="What it was compared with.")
    percent: float | None = Field(description=f"`value` in percent of it; {_NULL}")
    cost: float | None = Field(description=f"Cost of the open period; {_NULL}")
    payable: float | None = Field(
        description=f"The cost after the free balance; {_NULL}"
    )
    free_balance: float | None = Field(
        description=f"What pays first, in a trial; {_NULL}"
    )
    soft_limit: float | None = Field(description="The soft limit; null without one.")
    hard_limit: float | None = Field(description="The hard limit; null without one.")
    period_starts_at: AwareDatetime | None = Field(
        description="The beginning of the open billing period."
    )
    period_ends_at: AwareDatetime | None = Field(
        description="When it will close; null if that is not known."
    )
    product: str | None = Field(description=f"The product without a price; {_NULL}")
    meter: str | None = Field(description=f"The meter without a price; {_NULL}")
    day: str | None = Field(description=f"The day of a spike; {_NULL}")
    projected_on: str | None = Field(
        description=f"The day on which the soft limit will be reached; {_NULL}"
    )
    last_used_on: str | None = Field(description=f"The last day with usage; {_NULL}")
    subscription_status: str | None = Field(
        description=f"The status of the subscription; {_NULL}"
    )
    trial_ends_at: AwareDatetime | None = Field(
        description=f"When the trial ends; {_NULL}"
    )


class ResolvedEventData(Schema):
    """The end of what an earlier event reported."""

    organization: EventOrganization = Field(description="The organization.")
    event_type: str = Field(description="The type of the event that began it.")
    event_id: str = Field(description="The ID of the last event that reported it.")
    subject: str = Field(description="The subject of its alert; may be empty.")
    since: AwareDatetime = Field(description="When it began.")
    currency: str = Field(description="The currency of amounts.")
    unit: str = Field(description="The unit of `value` and `limit`.")
    value: float | None = Field(
        description="What is measured now; null if there is nothing to measure."
    )
    limit: float | None = Field(
        description="What it is compared with now; null if there is nothing."
    )


class EventRefusal(Schema):
    """A reason to refuse access."""

    code: str = Field(description="The code, as `GET …/access` has it.")
    message: str = Field(description="The reason, as a sentence for people.")
    since: AwareDatetime = Field(description="Since when it applies.")


class AccessEventData(Schema):
    """The access of an organization after the change, as `GET …/access` has it."""

    organization: EventOrganization = Field(description="The organization.")
    allowed: bool = Field(description="Whether API requests should be served.")
    reasons: list[EventRefusal] = Field(
        description="Why access is refused, most severe first; empty if allowed."
    )


class EventPeriod(Schema):
    """A billing period that was closed."""

    number: int = Field(description="Counts from 1 for each organization.")
    starts_at: AwareDatetime = Field(description="Its beginning.")
    ends_at: AwareDatetime = Field(description="Its end, not included.")
    closed_at: AwareDatetime = Field(description="When it was closed.")
    closed_by: str = Field(description="Who closed it; empty if an invoice did.")


class EventCharge(Schema):
    """An amount that the period puts on an invoice."""

    kind: str = Field(description="`usage` or `credit`.")
    product: str = Field(description="The product; empty for a credit.")
    amount: float = Field(description="The rounded amount; below 0 for a credit.")


class InvoiceEventData(Schema):
    """A closed billing period and its charges."""

    organization: EventOrganization = Field(description="The organization.")
    period: EventPeriod = Field(description="The period.")
    currency: str = Field(description="The currency of amounts.")
    cost: float = Field(description="The exact cost of the period's usage.")
    free_balance_used: float = Field(description="What the free balance paid.")
    credit_used: float = Field(description="What credit paid.")
    total: float = Field(description="The sum of the charges.")
    charges: list[EventCharge] = Field(
        description="The charges; empty if nothing is billed through Stripe."
    )


class OrganizationEventData(Schema):
    """An organization as the API returns it, after the change."""

    organization: OrganizationDetailOut = Field(description="The organization.")
    changed: list[str] = Field(
        description="The names of the changed fields of an update; else empty."
    )


def schema_of(key: str) -> type[Schema]:
    """Return the schema of the data of a type."""
    if key.endswith(RESOLVED):
        return ResolvedEventData
    if key.startswith("organization."):
        return OrganizationEventData
    return _OTHERS.get(key, AlertEventData)


_OTHERS: dict[str, type[Schema]] = {
    "access.changed": AccessEventData,
    "invoice.closed": InvoiceEventData,
}

_ORGANIZATION = {
    "id": 12,
    "external_id": "o-1042",
    "name": "Lumen Legal",
    "white_label": "acme",
}
_PERIOD_START, _PERIOD_END = "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"
_DETAIL = {
    **_ORGANIZATION,
    "is_active": True,
    "deleted_at": None,
    "white_label": {"slug": "acme", "owner_id": 1},
    "billing_email": "billing@lumen.example",
    "contract_started_on": "2026-03-01",
    "rate_limit": 200,
    "is_billable": True,
    "created_at": "2026-03-01T09:30:00Z",
    "updated_at": "2026-11-20T14:05:00Z",
    "entitlements": {
        "storage_bytes": 1_000_000_000_000,
        "compute_seconds_per_year": 3_600_000,
        "gpu_seconds_per_year": None,
        "projects": 20,
        "users": 50,
    },
}
_SPENDING = {
    "currency": "usd",
    "unit": "money",
    "value": 683.79,
    "limit": 650,
    "percent": 105.2,
    "cost": 683.79,
    "payable": 683.79,
    "free_balance": 0,
    "soft_limit": 500,
    "hard_limit": 650,
    "period_starts_at": _PERIOD_START,
    "period_ends_at": _PERIOD_END,
}
_NOTHING = dict.fromkeys(
    (
        *("product", "meter", "day", "projected_on", "last_used_on"),
        *("subscription_status", "trial_ends_at"),
    )
)
_EVENT_ID = "evt_5257b8fd5f8a4c7fb2a0d1b7d3a0f4a1"
# By type: subject, and what differs from the sample of a limit.
_ALERT_SAMPLES: dict[str, dict[str, Any]] = {
    "usage.unpriced": {
        "subject": "gpt-4o-mini prompt_tokens",
        "product": "gpt-4o-mini",
        "meter": "prompt_tokens",
        "unit": "count",
        "value": 120_000,
        "limit": 1,
        "percent": None,
    },
    "usage.missing": {
        "unit": "days",
        "value": 2,
        "limit": 1,
        "percent": 200,
        "last_used_on": "2026-11-18",
    },
    "limit.soft_reached": {"value": 507.12, "limit": 500, "percent": 101.4},
    "limit.threshold": {"value": 380.34, "limit": 500, "percent": 76.1},
    "limit.forecast": {
        "value": 612.4,
        "limit": 500,
        "percent": 122.5,
        "projected_on": "2026-11-27",
    },
    "spend.spiked": {
        "value": 84.1,
        "limit": 21.9,
        "percent": 384,
        "day": "2026-11-20",
    },
    "entitlement.threshold": {
        "subject": "storage_bytes",
        "unit": "bytes",
        "value": 820_000_000_000,
        "limit": 1_000_000_000_000,
        "percent": 82,
    },
    "entitlement.reached": {
        "subject": "users",
        "unit": "count",
        "value": 50,
        "limit": 50,
        "percent": 100,
    },
    "credit.low": {"value": 412.6, "limit": 500, "percent": 82.5, "free_balance": 500},
    "payment.failed": {
        "subject": "sub_1QXample",
        "unit": "",
        "value": 1,
        "limit": 1,
        "percent": 100,
        "subscription_status": "past_due",
    },
    "trial.ending": {
        "subject": "sub_1QXample",
        "unit": "days",
        "value": 6.9,
        "limit": 0,
        "percent": None,
        "subscription_status": "trialing",
        "trial_ends_at": "2026-11-28T09:00:00Z",
    },
    "webhook.disabled": {
        "subject": "Billing events",
        "unit": "",
        "value": 1,
        "limit": 1,
        "percent": 100,
    },
    "period.reset": {
        "subject": "billing_period",
        "unit": "",
        "value": 1,
        "limit": 1,
        "percent": 100,
    },
}


def _alert_sample(key: str) -> dict[str, Any]:
    sample = {**_SPENDING, **_NOTHING, **_ALERT_SAMPLES.get(key, {})}
    declared = ALERT_KINDS[EVENT_TYPES[key].alert_kinds[0]]
    kind = kind_at(declared.slug, Decimal(declared.threshold))
    alert = {
        "id": 4711,
        "kind": kind.slug,
        "label": kind.label,
        "subject": sample.pop("subject", ""),
        "period": 9,
    }
    return {"organization": _ORGANIZATION, "alert": alert, **sample}


def _resolved_sample(key: str) -> dict[str, Any]:
    began = _alert_sample(key.removesuffix(RESOLVED))
    return {
        "organization": _ORGANIZATION,
        "event_type": key.removesuffix(RESOLVED),
        "event_id": _EVENT_ID,
        "subject": began["alert"]["subject"],
        "since": "2026-11-20T14:05:00Z",
        "currency": "usd",
        "unit": began["unit"],
        "value": None,
        "limit": None,
    }


_ACCESS_SAMPLE = {
    "organization": _ORGANIZATION,
    "allowed": False,
    "reasons": [
        {
            "code": "hard_limit",
            "message": "The hard spending limit of this billing period is reached.",
            "since": "2026-11-20T14:05:00Z",
        }
    ],
}
_INVOICE_SAMPLE = {
    "organization": _ORGANIZATION,
    "period": {
        "number": 8,
        "starts_at": "2026-10-01T00:00:00Z",
        "ends_at": _PERIOD_START,
        "closed_at": "2026-11-01T00:04:12Z",
        "closed_by": "",
    },
    "currency": "usd",
    "cost": 412.3071,
    "free_balance_used": 0,
    "credit_used": 12,
    "total": 400.31,
    "charges": [
        {"kind": "credit", "product": "", "amount": -12},
        {"kind": "usage", "product": "gpt-4o", "amount": 412.31},
    ],
}


@cache
def sample_of(key: str) -> dict[str, Any]:
    """Return invented data of a type, as its schema has it."""
    if key.endswith(RESOLVED):
        return _resolved_sample(key)
    if key in {type_.key for type_ in TYPE_OF_ALERT.values()}:
        return _alert_sample(key)
    if key == "access.changed":
        return _ACCESS_SAMPLE
    if key == "invoice.closed":
        return _INVOICE_SAMPLE
    changed = ["name"] if key == "organization.updated" else []
    deleted_at = "2026-11-20T14:05:00Z" if key == "organization.deleted" else None
    return {"organization": {**_DETAIL, "deleted_at": deleted_at}, "changed": changed}
