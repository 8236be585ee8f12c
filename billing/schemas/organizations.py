"""Contract B's organization: one flat object, every field always there."""

from typing import Literal

from ninja import Schema
from pydantic import AwareDatetime, Field

MASK = "********"
Tier = Literal[
    "_NONE_", "_TRIAL_", "_INTERNAL_", "STARTUP", "GROWTH", "SCALE", "ENTERPRISE"
]
SpacesTier = Literal["INTERNAL", "FREE", "PRO", "TEAM", "ENTERPRISE"]
TIERS = frozenset({"startup", "growth", "scale", "enterprise"})
SPACES_TIERS = frozenset({"internal", "free", "pro", "team", "enterprise"})
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


ALERTS = tuple(AlertEmailsOut.model_fields)


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
