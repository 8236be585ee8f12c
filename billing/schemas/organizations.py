"""Contract B's organization: one flat object, every field always there."""

from datetime import datetime
from typing import Any, Literal

import orjson
from ninja import Schema
from pydantic import AwareDatetime, Field

from billing.models import Invoice, SpendingLimit, Subscription
from billing.queries import Account
from metrics.queries import IntegrationFacts
from metrics.schemas import number
from orgs.models import Organization

MASK = "********"
Tier = Literal[
    "_NONE_", "_TRIAL_", "_INTERNAL_", "STARTUP", "GROWTH", "SCALE", "ENTERPRISE"
]
SpacesTier = Literal["INTERNAL", "FREE", "PRO", "TEAM", "ENTERPRISE"]
_TIERS = {"startup", "growth", "scale", "enterprise"}
_SPACES_TIERS = {"internal", "free", "pro", "team", "enterprise"}
_ALERTS = (
    "soft_limit",
    "hard_limit",
    "payment_failed",
    "usage_reset",
    "usage_50",
    "usage_80",
    "usage_90",
    "usage_100",
)
_USED = "In the open billing period."
_SAVED = "Benchmark cost less cost, in the open billing period."


class UnpaidInvoiceOut(Schema):
    invoice_id: str
    invoice_number: str | None
    amount: float = Field(description="What is still due.")
    timestamp: int = Field(description="When it was due, in epoch seconds.")
    pause_reason: str
    invoice_name: str | None
    payment_link: str | None
    severity: int


class PauseReasonOut(Schema):
    """Why the organization is paused: its unpaid invoices, newest first."""

    invoices: list[UnpaidInvoiceOut]


class AlertEmailsOut(Schema):
    """When each letter went out in this billing period; null: not yet."""

    soft_limit: AwareDatetime | None
    hard_limit: AwareDatetime | None
    payment_failed: AwareDatetime | None
    usage_reset: AwareDatetime | None
    usage_50: AwareDatetime | None
    usage_80: AwareDatetime | None
    usage_90: AwareDatetime | None
    usage_100: AwareDatetime | None


class OwnOrganizationOut(Schema):
    """An organization, what it uses and what it pays."""

    id: str
    org_name: str = Field(description="The company's own id of it.")
    org_display_name: str | None
    org_creator: str
    org_logo: str | None
    org_stripe_id: str = Field(description="Empty without a customer in Stripe.")
    last_invoice_date: int = Field(
        description="Last cost sync with Stripe in epoch seconds; 0: never."
    )
    prompt_tokens: int = Field(ge=0, description=_USED)
    completion_tokens: int = Field(ge=0, description=_USED)
    total_tokens: int = Field(ge=0, description=_USED)
    prompt_tokens_cost: float = Field(description=_USED)
    completion_tokens_cost: float = Field(description=_USED)
    total_tokens_cost: float = Field(description=_USED)
    prompt_tokens_cost_savings: float = Field(description=_SAVED)
    completion_tokens_cost_savings: float = Field(description=_SAVED)
    total_tokens_cost_savings: float = Field(description=_SAVED)
    num_requests: int = Field(ge=0, description=_USED)
    num_apps: int = Field(ge=0, description="Projects that are not deleted.")
    spaces_subscription_tier: SpacesTier | None
    spaces_subscription_seats: int | None
    spaces_subscription_status: Literal["active", "unpaid"] | None
    spaces_subscription_cancel_at: int | None = Field(description="Epoch seconds.")
    subscription_pause_reason: PauseReasonOut | None
    subscription_cycle: Literal["monthly", "yearly"] | None
    subscription_tier: Tier | None
    subscription_price_id: str | None
    trial_end: int | None = Field(description="Epoch seconds.")
    currency: str = Field(
        pattern="^[a-z]{3}$", description="The white label's; `usd` unless chosen."
    )
    billing_email: str | None
    free_balance: float | None = Field(description="Pays first, while in the trial.")
    spending_limit_soft: float | None = Field(description="0: none.")
    spending_limit_hard: float | None = Field(description="0: none.")
    alert_emails: AlertEmailsOut | None
    is_active: bool
    is_personal: bool
    address_1: str | None
    address_2: str | None
    address_city: str | None
    address_zip: str | None
    address_state: str | None
    address_country: str | None
    added_on: AwareDatetime | None
    modified_on: AwareDatetime | None
    hubspot_id: str | None
    prom_id: str | None
    prom_token: str | None = Field(description=f"Always `{MASK}` when there is one.")
    prom_endpoint: str | None
    loki_id: str | None
    loki_token: str | None = Field(description=f"Always `{MASK}` when there is one.")
    loki_endpoint: str | None
    rate_limit: int = Field(description="Calls per minute.")


def organization_body(account: Account) -> bytes:
    """`OwnOrganizationOut` as JSON; amounts digit by digit, not as a float."""
    return orjson.dumps(
        {
            **_identity(account.organization),
            **_usage(account),
            **_platform(account),
            **_spaces(account.spaces),
            **_money(account),
            **_target("prom", account.integrations.get("prom")),
            **_target("loki", account.integrations.get("loki")),
            "modified_on": account.modified_at,
        }
    )


def _identity(organization: Organization) -> dict[str, Any]:
    default = organization.white_label.default_rate_limit
    return {
        "id": str(organization.id),
        "org_name": organization.external_id,
        "org_display_name": organization.name,
        "org_creator": organization.created_by,
        "org_logo": organization.logo_url or None,
        "currency": organization.white_label.currency,
        "billing_email": organization.billing_email,
        "is_active": organization.is_active,
        "is_personal": organization.is_personal,
        "address_1": organization.address_line_1,
        "address_2": organization.address_line_2,
        "address_city": organization.address_city,
        "address_zip": organization.address_zip,
        "address_state": organization.address_state,
        "address_country": organization.address_country,
        "added_on": organization.created_at,
        "hubspot_id": organization.hubspot_id or None,
        "rate_limit": organization.rate_limit or default,
    }


def _usage(account: Account) -> dict[str, Any]:
    prompt = account.meter("prompt_tokens")
    completion = account.meter("completion_tokens")
    amounts = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    found: dict[str, Any] = {
        "num_requests": integer(account.meter("requests").quantity),
        "num_apps": account.projects,
    }
    for name, amount in amounts.items():
        found[name] = integer(amount.quantity)
        found[f"{name}_cost"] = number(amount.cost)
        found[f"{name}_cost_savings"] = number(amount.benchmark_cost - amount.cost)
    return found


def integer(value: int) -> orjson.Fragment:
    """Any whole number; sums go beyond the 64 bits that orjson writes."""
    return orjson.Fragment(str(value))


def _platform(account: Account) -> dict[str, Any]:
    found = account.platform
    return {
        "subscription_tier": tier_of(account),
        "subscription_cycle": found.cycle if found else None,
        "subscription_price_id": found.stripe_price_id if found else None,
        "subscription_pause_reason": pause_reason(account),
        "trial_end": _epoch(found.trial_ends_at) if found else None,
    }


def tier_of(account: Account) -> str | None:
    """A tier the contract has no word for is null, not another one."""
    found, organization = account.platform, account.organization
    if found is None:
        internal = organization.is_personal or not organization.is_billable
        return "_INTERNAL_" if internal else "_NONE_"
    if found.status == Subscription.Status.TRIALING:
        return "_TRIAL_"
    tier = found.tier.lower()
    if tier == "internal":
        return "_INTERNAL_"
    return tier.upper() if tier in _TIERS else None


def _spaces(found: Subscription | None) -> dict[str, Any]:
    facts: dict[str, Any] = dict.fromkeys(("tier", "seats", "status", "cancel_at"))
    if found is not None:
        served = (Subscription.Status.ACTIVE, Subscription.Status.TRIALING)
        tier = found.tier.lower()
        facts["tier"] = tier.upper() if tier in _SPACES_TIERS else None
        facts["seats"] = found.seats
        facts["status"] = "active" if found.status in served else "unpaid"
        facts["cancel_at"] = _epoch(found.cancels_at)
    return {f"spaces_subscription_{name}": value for name, value in facts.items()}


def _money(account: Account) -> dict[str, Any]:
    billing = account.billing
    return {
        "org_stripe_id": billing.stripe_id or "",
        "last_invoice_date": _epoch(billing.last_invoice_at) or 0,
        "free_balance": number(billing.free_balance),
        "spending_limit_soft": number(account.limit(SpendingLimit.Kind.SOFT)),
        "spending_limit_hard": number(account.limit(SpendingLimit.Kind.HARD)),
        "alert_emails": {kind: account.alerts.get(kind) for kind in _ALERTS},
    }


def pause_reason(account: Account) -> dict[str, Any] | None:
    """Null unless paused; then the unpaid invoices, which may be none."""
    if not account.is_paused or account.platform is None:
        return None
    reason = account.platform.pause_reason or account.platform.status
    return {"invoices": [_unpaid(invoice, reason) for invoice in account.unpaid]}


def _unpaid(invoice: Invoice, reason: str) -> dict[str, Any]:
    return {
        "invoice_id": invoice.stripe_id,
        "invoice_number": invoice.number or None,
        "amount": number(max(invoice.amount_due - invoice.amount_paid, 0)),
        "timestamp": _epoch(invoice.due_at or invoice.issued_at),
        "pause_reason": reason,
        "invoice_name": f"Invoice {invoice.number}" if invoice.number else None,
        "payment_link": invoice.hosted_url or None,
        "severity": 1,
    }


def _target(kind: str, found: IntegrationFacts | None) -> dict[str, str | None]:
    """Masked whole: a token's last characters would only help who guesses it."""
    return {
        f"{kind}_id": found.instance_id if found else None,
        f"{kind}_token": MASK if found else None,
        f"{kind}_endpoint": found.endpoint if found else None,
    }


def _epoch(instant: datetime | None) -> int | None:
    return int(instant.timestamp()) if instant else None
