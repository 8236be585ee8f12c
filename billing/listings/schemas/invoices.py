"""Schemas of invoices, their adjustments, charges, and subscriptions."""

from ninja import Schema
from pydantic import AwareDatetime, Field

from billing.listings.schemas.bodies import NextPageOut, RangeIn, RowOut
from billing.models.mirrors import InvoiceStatus, SubscriptionStatus

_STATUSES = ", ".join(f"`{status}`" for status in InvoiceStatus.values)
_SUBSCRIPTION_STATUSES = ", ".join(f"`{status}`" for status in SubscriptionStatus)
_CURRENCY = Field(description="Currency code in lower case.", examples=["usd"])
_READ_AT = "When it was last read from Stripe."


class InvoicesIn(RangeIn):
    """Filters of invoices; the range is that of `issued_at`."""

    status: str | None = Field(
        None,
        max_length=20,
        description=f"Only invoices with this status: {_STATUSES}.",
        examples=["open"],
    )


class InvoiceOut(RowOut):
    """An invoice as Stripe has it, with the billing period it closed."""

    number: str = Field(description="Stripe's number.", examples=["ACME-0007"])
    stripe_id: str = Field(description="Stripe's ID.", examples=["in_1Abc"])
    status: str = Field(description=f"One of {_STATUSES}.", examples=["open"])
    currency: str = _CURRENCY
    total: float = Field(description="The total.", examples=[683.79])
    amount_due: float = Field(description="What is or was due.", examples=[683.79])
    amount_paid: float = Field(description="What was paid.", examples=[0])
    amount_remaining: float = Field(
        description="What is still to be paid, after payments and credit notes.",
        examples=[683.79],
    )
    owed: float = Field(
        description="`amount_remaining` of an open invoice; 0 for others.",
        examples=[683.79],
    )
    credited_before_payment: float = Field(
        description="What credit notes took off before it was paid.", examples=[0]
    )
    credited_after_payment: float = Field(
        description="What credit notes gave back after it was paid.", examples=[0]
    )
    collection_method: str = Field(
        description="`charge_automatically` or `send_invoice`.",
        examples=["charge_automatically"],
    )
    issued_at: AwareDatetime = Field(
        description="When it was issued.", examples=["2026-11-01T00:05:00Z"]
    )
    due_at: AwareDatetime | None = Field(
        description="When it is due; null if Stripe charges it automatically.",
        examples=[None],
    )
    overdue_from: AwareDatetime | None = Field(
        description="From when it is overdue; null if it is not and will not be.",
        examples=["2026-11-01T00:05:00Z"],
    )
    paid_at: AwareDatetime | None = Field(
        description="When it was paid; null if it is not.", examples=[None]
    )
    payment_attempts: int = Field(
        description="How often Stripe tried to charge it.", examples=[1]
    )
    next_payment_attempt_at: AwareDatetime | None = Field(
        description="When Stripe tries again; null if it does not.", examples=[None]
    )
    period: int | None = Field(
        description="The number of the billing period that it closed; null for none.",
        examples=[7],
    )
    period_usage_cost: float | None = Field(
        description="The exact usage cost of that period.", examples=[683.787412]
    )
    read_from_stripe_at: AwareDatetime = Field(
        description=_READ_AT, examples=["2026-11-21T11:59:00Z"]
    )


class InvoicePageOut(NextPageOut):
    """A page of invoices."""

    invoices: list[InvoiceOut] = Field(description="The newest first.")


class AdjustmentOut(RowOut):
    """A credit note, refund, or dispute as Stripe has it."""

    type: str = Field(
        description="`credit_note`, `refund`, or `dispute`.", examples=["refund"]
    )
    number: str = Field(
        description="Stripe's number of a credit note; empty for others.", examples=[""]
    )
    stripe_id: str = Field(description="Stripe's ID.", examples=["re_1Abc"])
    invoice_stripe_id: str = Field(
        description="Stripe's ID of the invoice; empty if it is not known.",
        examples=["in_1Abc"],
    )
    status: str = Field(description="Stripe's status.", examples=["succeeded"])
    currency: str = _CURRENCY
    amount: float = Field(description="The amount, never below 0.", examples=[20])
    reason: str = Field(description="Stripe's reason; may be empty.", examples=[""])
    happened_at: AwareDatetime = Field(
        description="When it was created in Stripe.", examples=["2026-11-09T08:00:00Z"]
    )
    respond_by_at: AwareDatetime | None = Field(
        description="When Stripe needs evidence against a dispute; null for others.",
        examples=[None],
    )


class AdjustmentPageOut(NextPageOut):
    """A page of credit notes, refunds, and disputes."""

    adjustments: list[AdjustmentOut] = Field(description="The newest first.")


class ChargesIn(RangeIn):
    """Filters of charges; the range is that of `created_at`."""

    period: str | None = Field(
        None,
        max_length=10,
        description="Only charges of the billing period with this number.",
        examples=["7"],
    )


class ChargeOut(RowOut):
    """A charge of a closed billing period, which becomes an invoice item in Stripe."""

    period: int = Field(description="The number of the billing period.", examples=[7])
    period_starts_at: AwareDatetime = Field(
        description="When the period starts.", examples=["2026-10-01T00:00:00Z"]
    )
    period_ends_at: AwareDatetime | None = Field(
        description="When the period ends.", examples=["2026-11-01T00:00:00Z"]
    )
    type: str = Field(description="`usage` or `credit`.", examples=["usage"])
    product: str = Field(
        description="The product; empty for credit.", examples=["gpt-4o"]
    )
    currency: str = _CURRENCY
    cost: float = Field(
        description="The exact cost, before free balance.", examples=[683.787412]
    )
    amount: float = Field(
        description="What is charged, rounded; below 0 for credit.", examples=[683.79]
    )
    state: str = Field(
        description="`pending`, `running`, `done`, or `failed`.", examples=["done"]
    )
    attempts: int = Field(description="How often it was sent to Stripe.", examples=[1])
    error_code: str = Field(
        description="The code of the last error; may be empty.", examples=[""]
    )
    error: str = Field(description="The last error; may be empty.", examples=[""])
    invoice_stripe_id: str = Field(
        description="Stripe's ID of its invoice; empty before there is one.",
        examples=["in_1Abc"],
    )
    stripe_id: str | None = Field(
        description="Stripe's ID of the invoice item; null before there is one.",
        examples=["ii_1Abc"],
    )
    created_at: AwareDatetime = Field(
        description="When the period closed.", examples=["2026-11-01T00:04:00Z"]
    )
    finished_at: AwareDatetime | None = Field(
        description="When it was sent, or failed; null before.",
        examples=["2026-11-01T00:04:02Z"],
    )


class ChargePageOut(NextPageOut):
    """A page of charges."""

    charges: list[ChargeOut] = Field(description="The newest first.")


class ChargeDecisionsIn(RangeIn):
    """Filters of charge decisions; the range is that of `created_at`."""

    charge: str | None = Field(
        None,
        max_length=18,
        description="Only decisions about the charge with this ID.",
        examples=["4711"],
    )


class ChargeDecisionOut(RowOut):
    """What was decided about an amount of a charge that its invoice does not have."""

    charge_id: int = Field(description="The ID of the charge.", examples=[4711])
    period: int = Field(description="The number of its billing period.", examples=[7])
    product: str = Field(
        description="The product of the charge; empty for credit.", examples=["gpt-4o"]
    )
    decision: str = Field(
        description="`charge_again`, `write_off`, or `return`.", examples=["write_off"]
    )
    currency: str = _CURRENCY
    amount: float = Field(
        description="The amount; below 0 for credit, and for what an invoice has too"
        " much of.",
        examples=[20],
    )
    by: str = Field(description="Who decided it.", examples=["ann"])
    reason: str = Field(description="Why.", examples=["Goodwill for the outage"])
    created_at: AwareDatetime = Field(
        description="When it was decided.", examples=["2026-11-09T08:00:00Z"]
    )


class ChargeDecisionPageOut(NextPageOut):
    """A page of charge decisions."""

    charge_decisions: list[ChargeDecisionOut] = Field(description="The newest first.")


class CreditOut(RowOut):
    """An entry of the credit ledger; the balance is the sum of its entries."""

    created_at: AwareDatetime = Field(
        description="When it was entered.", examples=["2026-11-09T08:00:00Z"]
    )
    type: str = Field(description="`credit` or `free_balance`.", examples=["credit"])
    currency: str = _CURRENCY
    amount: float = Field(
        description="Above 0 if granted, below 0 if used or removed.", examples=[25]
    )
    used_by_period: int | None = Field(
        description="The number of the billing period that used it; null for others.",
        examples=[None],
    )
    by: str = Field(description="Who or what entered it.", examples=["ann"])
    reason: str = Field(description="Why.", examples=["Goodwill for the outage"])


class CreditPageOut(NextPageOut):
    """A page of the credit ledger."""

    credits: list[CreditOut] = Field(description="The newest first.")


class SubscriptionsIn(Schema):
    """Filters of subscriptions."""

    status: str | None = Field(
        None,
        max_length=20,
        description=f"Only subscriptions with this status: {_SUBSCRIPTION_STATUSES}.",
        examples=["active"],
    )


class StripeSubscriptionOut(RowOut):
    """A subscription as Stripe has it: the platform, or spaces by seat."""

    stripe_id: str = Field(description="Stripe's ID.", examples=["sub_1Abc"])
    type: str = Field(description="`platform` or `spaces`.", examples=["platform"])
    status: str = Field(
        description=f"One of {_SUBSCRIPTION_STATUSES}.", examples=["active"]
    )
    tier: str = Field(description="The plan.", examples=["scale"])
    cycle_interval: str = Field(
        description="`day`, `week`, `month`, or `year`.", examples=["month"]
    )
    cycle_count: int = Field(
        description="The number of intervals in a cycle.", examples=[1]
    )
    seats: int | None = Field(
        description="Seats of spaces; null for the platform.", examples=[None]
    )
    stripe_price_id: str = Field(
        description="Stripe's ID of the price.", examples=["price_1Abc"]
    )
    period_starts_at: AwareDatetime | None = Field(
        description="When Stripe's current cycle starts.",
        examples=["2026-11-01T00:00:00Z"],
    )
    period_ends_at: AwareDatetime | None = Field(
        description="When Stripe's current cycle ends.",
        examples=["2026-12-01T00:00:00Z"],
    )
    trial_ends_at: AwareDatetime | None = Field(
        description="When its trial ends or ended; null without one.", examples=[None]
    )
    paused_at: AwareDatetime | None = Field(
        description="Since when it is paused; null if it is not.", examples=[None]
    )
    pause_reason: str = Field(
        description="Why it is paused; may be empty.", examples=[""]
    )
    cancels_at: AwareDatetime | None = Field(
        description="When it will be canceled; null if it will not.", examples=[None]
    )
    read_from_stripe_at: AwareDatetime = Field(
        description=_READ_AT, examples=["2026-11-21T11:59:00Z"]
    )


class SubscriptionPageOut(NextPageOut):
    """A page of subscriptions."""

    subscriptions: list[StripeSubscriptionOut] = Field(description="The newest first.")
