"""Response schema of contract B's organization: flat, with every field present."""

from typing import Literal

from ninja import Schema
from pydantic import AwareDatetime, Field

MASK = "********"
Tier = Literal[
    "_NONE_", "_TRIAL_", "_INTERNAL_", "STARTUP", "GROWTH", "SCALE", "ENTERPRISE"
]
SpacesTier = Literal["INTERNAL", "FREE", "PRO", "TEAM", "ENTERPRISE"]
CYCLES = frozenset({"monthly", "yearly"})
TIERS = frozenset({"startup", "growth", "scale", "enterprise"})
SPACES_TIERS = frozenset({"internal", "free", "pro", "team", "enterprise"})
_TOKENS = "Tokens used in the open billing period."
_COST_OF_TOKENS = "Cost of these tokens in `currency` in the open billing period."
_SAVED = "Benchmark cost minus cost in `currency` in the open billing period."
_ADDRESS = "Part of the postal address; may be empty."
_SENT = "When this alert was sent in this billing period; null if it was not."


class UnpaidInvoiceOut(Schema):
    """An unpaid invoice."""

    invoice_id: str = Field(description="The Stripe ID of the invoice.")
    invoice_number: str | None = Field(description="The invoice number.")
    amount: float = Field(description="The amount due in `currency`.")
    timestamp: int = Field(description="The due date, in seconds since the Unix epoch.")
    pause_reason: str = Field(description="Why the subscription is paused.")
    invoice_name: str | None = Field(description="The invoice, as a label for people.")
    payment_link: str | None = Field(
        description="The URL of the payment page; null if there is none."
    )
    severity: int = Field(description="Always 1.")


class PauseReasonOut(Schema):
    """Why the organization is paused."""

    reason: str = Field(
        description="The reason of the pause, or the status of the subscription.",
        examples=["Requested by the customer"],
    )
    invoices: list[UnpaidInvoiceOut] = Field(
        description="Its unpaid invoices, newest first; may be empty."
    )


class AlertEmailsOut(Schema):
    """Times at which the alert emails of this billing period were sent."""

    soft_limit: AwareDatetime | None = Field(description=_SENT)
    hard_limit: AwareDatetime | None = Field(description=_SENT)
    payment_failed: AwareDatetime | None = Field(description=_SENT)
    usage_reset: AwareDatetime | None = Field(description=_SENT)
    usage_50: AwareDatetime | None = Field(description=_SENT)
    usage_80: AwareDatetime | None = Field(description=_SENT)
    usage_90: AwareDatetime | None = Field(description=_SENT)
    usage_100: AwareDatetime | None = Field(description=_SENT)


ALERTS = tuple(AlertEmailsOut.model_fields)


class OwnOrganizationOut(Schema):
    """An organization with its usage, subscription, and limits."""

    id: str = Field(description="The ID in Orgdesk.")
    org_name: str = Field(description="Your ID of the organization.")
    org_display_name: str | None = Field(description="The display name.")
    org_creator: str = Field(
        description="Who created the organization, or its white label."
    )
    org_logo: str | None = Field(
        description="The URL of the logo; null if there is none."
    )
    org_stripe_id: str = Field(
        description="The ID of the Stripe customer; empty if there is none."
    )
    last_invoice_date: int = Field(
        description="When costs were last synced with Stripe, in seconds since the Unix"
        " epoch; 0 if never."
    )
    prompt_tokens: int = Field(ge=0, description=_TOKENS)
    completion_tokens: int = Field(ge=0, description=_TOKENS)
    total_tokens: int = Field(ge=0, description=_TOKENS)
    prompt_tokens_cost: float = Field(description=_COST_OF_TOKENS)
    completion_tokens_cost: float = Field(description=_COST_OF_TOKENS)
    total_tokens_cost: float = Field(description=_COST_OF_TOKENS)
    prompt_tokens_cost_savings: float = Field(description=_SAVED)
    completion_tokens_cost_savings: float = Field(description=_SAVED)
    total_tokens_cost_savings: float = Field(description=_SAVED)
    num_requests: int = Field(ge=0, description="Requests in the open billing period.")
    num_apps: int = Field(ge=0, description="The number of projects.")
    spaces_subscription_tier: SpacesTier | None = Field(
        description="The tier of the seat subscription; null if there is none."
    )
    spaces_subscription_seats: int | None = Field(description="The number of seats.")
    spaces_subscription_status: Literal["active", "unpaid"] | None = Field(
        description="`active` or `unpaid`; null if there is no seat subscription."
    )
    spaces_subscription_cancel_at: int | None = Field(
        description="When the seat subscription is canceled, in seconds since the Unix"
        " epoch; null if it is not."
    )
    subscription_pause_reason: PauseReasonOut | None = Field(
        description="Why the organization is paused; null if it is not."
    )
    subscription_cycle: Literal["monthly", "yearly"] | None = Field(
        description="`monthly` or `yearly`; null for another cycle and without a"
        " platform subscription."
    )
    subscription_tier: Tier | None = Field(
        description="The tier of the platform subscription; null for other tiers."
    )
    subscription_price_id: str | None = Field(
        description="The ID of the Stripe price of the platform subscription."
    )
    trial_end: int | None = Field(
        description="When the trial ends, in seconds since the Unix epoch."
    )
    currency: str = Field(
        pattern="^[a-z]{3}$",
        description="The white label's currency, such as `usd`, for all amounts.",
    )
    billing_email: str | None = Field(
        description="The email address for invoices and alerts."
    )
    free_balance: float | None = Field(
        description="The free balance, which pays for usage during the trial."
    )
    spending_limit_soft: float | None = Field(
        description="The soft spending limit; 0 if there is none."
    )
    spending_limit_hard: float | None = Field(
        description="The hard spending limit; 0 if there is none."
    )
    alert_emails: AlertEmailsOut | None = Field(
        description="When each alert email was sent in this billing period."
    )
    is_active: bool = Field(description="Whether the organization has access.")
    is_personal: bool = Field(description="Whether the organization is personal.")
    address_1: str | None = Field(description=_ADDRESS)
    address_2: str | None = Field(description=_ADDRESS)
    address_city: str | None = Field(description=_ADDRESS)
    address_zip: str | None = Field(description=_ADDRESS)
    address_state: str | None = Field(description=_ADDRESS)
    address_country: str | None = Field(description=_ADDRESS)
    added_on: AwareDatetime | None = Field(description="When it was created.")
    modified_on: AwareDatetime | None = Field(description="When it was last changed.")
    hubspot_id: str | None = Field(description="The ID of the HubSpot company.")
    prom_id: str | None = Field(description="The user name of the Prometheus target.")
    prom_token: str | None = Field(description=f"Always `{MASK}` if a token is set.")
    prom_endpoint: str | None = Field(description="The URL of the Prometheus target.")
    loki_id: str | None = Field(description="The user name of the Loki target.")
    loki_token: str | None = Field(description=f"Always `{MASK}` if a token is set.")
    loki_endpoint: str | None = Field(description="The URL of the Loki target.")
    rate_limit: int = Field(description="API requests per minute.")
