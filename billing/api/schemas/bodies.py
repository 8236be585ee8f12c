"""JSON of contract B's organization."""

from datetime import datetime
from typing import Any

import orjson

from billing.api.queries.accounts import Account
from billing.api.schemas.organizations import ALERTS, CYCLES, MASK, SPACES_TIERS, TIERS
from billing.models import Invoice, SpendingLimit, Subscription
from metrics.queries.integrations import IntegrationFacts
from metrics.schemas.charts import number
from orgs.models import Organization


def organization_body(account: Account) -> bytes:
    """Return `OwnOrganizationOut` as JSON; amounts keep all their digits."""
    return orjson.dumps(
        {
            **_identity_fields(account.organization),
            **_usage_fields(account),
            **_platform_fields(account),
            **_spaces_fields(account.spaces),
            **_billing_fields(account),
            **_target_fields("prom", account.integrations.get("prom")),
            **_target_fields("loki", account.integrations.get("loki")),
            "modified_on": account.modified_at,
        }
    )


def _identity_fields(organization: Organization) -> dict[str, Any]:
    default = organization.white_label.default_rate_limit
    return {
        "id": str(organization.id),
        "org_name": organization.external_id,
        "org_display_name": organization.name,
        "org_creator": organization.created_by or organization.white_label.slug,
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


def _usage_fields(account: Account) -> dict[str, Any]:
    prompt = account.meter("prompt_tokens")
    completion = account.meter("completion_tokens")
    amounts = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    fields: dict[str, Any] = {
        "num_requests": integer(account.meter("requests").quantity),
        "num_apps": account.projects,
    }
    for name, amount in amounts.items():
        fields[name] = integer(amount.quantity)
        fields[f"{name}_cost"] = number(amount.cost)
        fields[f"{name}_cost_savings"] = number(amount.benchmark_cost - amount.cost)
    return fields


def integer(value: int) -> orjson.Fragment:
    """Return a whole number of any size as JSON; orjson itself writes 64 bits only."""
    return orjson.Fragment(str(value))


def _platform_fields(account: Account) -> dict[str, Any]:
    subscription = account.platform
    return {
        "subscription_tier": tier_of(account),
        "subscription_cycle": cycle_of(subscription),
        "subscription_price_id": subscription.stripe_price_id if subscription else None,
        "subscription_pause_reason": pause_reason(account),
        "trial_end": epoch(subscription.trial_ends_at) if subscription else None,
    }


def cycle_of(subscription: Subscription | None) -> str | None:
    """Return the contract's name of a cycle, None for one that it does not name."""
    cycle = str(subscription.cycle) if subscription else ""
    return cycle if cycle in CYCLES else None


def tier_of(account: Account) -> str | None:
    """Return the contract's name of a tier, None for a tier that it does not name."""
    subscription, organization = account.platform, account.organization
    if subscription is None:
        is_internal = organization.is_personal or not organization.is_billable
        return "_INTERNAL_" if is_internal else "_NONE_"
    if subscription.status == Subscription.Status.TRIALING:
        return "_TRIAL_"
    tier = subscription.tier.lower()
    if tier == "internal":
        return "_INTERNAL_"
    return tier.upper() if tier in TIERS else None


def _spaces_fields(subscription: Subscription | None) -> dict[str, Any]:
    fields: dict[str, Any] = dict.fromkeys(("tier", "seats", "status", "cancel_at"))
    if subscription is not None:
        paid = (Subscription.Status.ACTIVE, Subscription.Status.TRIALING)
        tier = subscription.tier.lower()
        fields["tier"] = tier.upper() if tier in SPACES_TIERS else None
        fields["seats"] = subscription.seats
        fields["status"] = "active" if subscription.status in paid else "unpaid"
        fields["cancel_at"] = epoch(subscription.cancels_at)
    return {f"spaces_subscription_{name}": value for name, value in fields.items()}


def _billing_fields(account: Account) -> dict[str, Any]:
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
    """Return why an organization is paused, and its unpaid invoices; None if it is not.

    Nothing is unpaid where a person paused it: then the reason is all there is.
    """
    if not account.is_paused or account.platform is None:
        return None
    reason = account.platform.pause_reason or account.platform.status
    invoices = [_invoice_fields(invoice, reason) for invoice in account.unpaid]
    return {"reason": reason, "invoices": invoices}


def _invoice_fields(invoice: Invoice, reason: str) -> dict[str, Any]:
    return {
        "invoice_id": invoice.stripe_id,
        "invoice_number": invoice.number or None,
        "amount": number(invoice.amount_remaining),
        "timestamp": epoch(invoice.due_at or invoice.issued_at),
        "pause_reason": reason,
        "invoice_name": f"Invoice {invoice.number}" if invoice.number else None,
        "payment_link": invoice.hosted_url or None,
        "severity": 1,
    }


def _target_fields(kind: str, target: IntegrationFacts | None) -> dict[str, str | None]:
    """Return the fields of a push target.

    The whole token is masked: its last characters would only help to guess the rest.
    """
    return {
        f"{kind}_id": target.instance_id if target else None,
        f"{kind}_token": MASK if target else None,
        f"{kind}_endpoint": target.endpoint if target else None,
    }


def epoch(instant: datetime | None) -> int | None:
    """Return seconds since the Unix epoch."""
    return int(instant.timestamp()) if instant else None
