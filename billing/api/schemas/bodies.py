"""Contract B's organization, written: every field from its own row."""

from datetime import datetime
from typing import Any

import orjson

from billing.api.queries.accounts import Account
from billing.api.schemas.organizations import ALERTS, MASK, SPACES_TIERS, TIERS
from billing.models import Invoice, SpendingLimit, Subscription
from metrics.queries.integrations import IntegrationFacts
from metrics.schemas.charts import number
from orgs.models import Organization


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
        "trial_end": epoch(found.trial_ends_at) if found else None,
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
    return tier.upper() if tier in TIERS else None


def _spaces(found: Subscription | None) -> dict[str, Any]:
    facts: dict[str, Any] = dict.fromkeys(("tier", "seats", "status", "cancel_at"))
    if found is not None:
        served = (Subscription.Status.ACTIVE, Subscription.Status.TRIALING)
        tier = found.tier.lower()
        facts["tier"] = tier.upper() if tier in SPACES_TIERS else None
        facts["seats"] = found.seats
        facts["status"] = "active" if found.status in served else "unpaid"
        facts["cancel_at"] = epoch(found.cancels_at)
    return {f"spaces_subscription_{name}": value for name, value in facts.items()}


def _money(account: Account) -> dict[str, Any]:
    billing = account.billing
    return {
        "org_stripe_id": billing.stripe_id or "",
        "last_invoice_date": epoch(billing.last_invoice_at) or 0,
        "free_balance": number(billing.free_balance),
        "spending_limit_soft": number(account.limit(SpendingLimit.Kind.SOFT)),
        "spending_limit_hard": number(account.limit(SpendingLimit.Kind.HARD)),
        "alert_emails": {kind: account.alerts.get(kind) for kind in ALERTS},
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
        "timestamp": epoch(invoice.due_at or invoice.issued_at),
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


def epoch(instant: datetime | None) -> int | None:
    return int(instant.timestamp()) if instant else None
