"""Schemas of billing periods, and of their reconciliation."""

from collections.abc import Iterable
from typing import Any

from ninja import Schema
from pydantic import AwareDatetime, Field

from billing.ledger.queries.reconciliation import ProductRow, Reason, Reconciliation
from billing.listings.schemas.bodies import NextPageOut, RowOut


class BillingPeriodOut(RowOut):
    """A billing period: the time between two invoices of an organization."""

    number: int = Field(
        description="Counts the periods of the organization from 1.", examples=[7]
    )
    starts_at: AwareDatetime = Field(
        description="The first instant.", examples=["2026-10-01T00:00:00Z"]
    )
    ends_at: AwareDatetime | None = Field(
        description="The instant after the last; null while it is open.",
        examples=["2026-11-01T00:00:00Z"],
    )
    state: str = Field(description="`open` or `closed`.", examples=["closed"])
    currency: str = Field(description="Currency code in lower case.", examples=["usd"])
    cost: float = Field(
        description="The exact usage cost; of the open period, to date.",
        examples=[683.787412],
    )
    cost_is: str = Field(
        description="`estimate` while the period is open, then `invoiced`.",
        examples=["invoiced"],
    )
    free_balance_used: float = Field(
        description="The part of the cost that free balance paid.", examples=[0]
    )
    credit_used: float = Field(
        description="The part of the cost that credit paid.", examples=[0]
    )
    invoice: str | None = Field(
        description="The number of the invoice that closed it; null without one.",
        examples=["ACME-0007"],
    )
    invoice_stripe_id: str | None = Field(
        description="Stripe's ID of that invoice.", examples=["in_1Abc"]
    )
    closed_at: AwareDatetime | None = Field(
        description="When it was closed; null while it is open.",
        examples=["2026-11-01T00:04:00Z"],
    )
    closed_by: str = Field(
        description="Who closed it manually; empty for an invoice.", examples=[""]
    )
    reason: str = Field(
        description="Why it was closed manually; may be empty.", examples=[""]
    )


class PeriodPageOut(NextPageOut):
    """A page of billing periods."""

    billing_periods: list[BillingPeriodOut] = Field(description="The newest first.")


class ReconciliationReasonOut(Schema):
    """Why an amount differs from the one before it."""

    code: str = Field(
        description="The cause, such as `rounding`, `credit`, or `days_differ`; new"
        " codes may be added.",
        examples=["rounding"],
    )
    message: str = Field(description="The cause, for people.", examples=["Rounding"])
    is_problem: bool = Field(
        description="Whether the cause needs action.", examples=[False]
    )
    amount: float = Field(
        description="The part of the difference that it explains.", examples=[0.002588]
    )
    detail: str = Field(
        description="The error of a charge or the note of a decision; may be empty.",
        examples=[""],
    )
    charge_id: int | None = Field(
        description="The charge about which someone has to decide; null for others.",
        examples=[None],
    )


class ReconciliationStepOut(Schema):
    """A sum of the whole period, and why it differs from the step before it."""

    code: str = Field(
        description="`events`, `daily_usage`, `period`, `after_free_balance`,"
        " `charged_for_usage`, `after_credits`, or `on_invoices`.",
        examples=["charged_for_usage"],
    )
    label: str = Field(
        description="The step, for people.", examples=["Charged for usage"]
    )
    amount: float | None = Field(
        description="The sum; null if it is not known.", examples=[683.79]
    )
    difference: float = Field(
        description="The sum minus that of the step before.", examples=[0.002588]
    )
    reasons: list[ReconciliationReasonOut] = Field(
        description="The causes of the difference."
    )


class ReconciliationProductOut(Schema):
    """The amounts of a product, from its events to the invoice."""

    product: str = Field(
        description="The product; empty for the row of credit.", examples=["gpt-4o"]
    )
    events: float | None = Field(
        description="The cost by its events; null if some are past retention.",
        examples=[683.787412],
    )
    daily_usage: float = Field(
        description="The cost by daily usage.", examples=[683.787412]
    )
    charged: float | None = Field(
        description="What was charged, rounded; null where nothing was.",
        examples=[683.79],
    )
    on_invoice: float = Field(
        description="What Stripe's invoices have of it.", examples=[683.79]
    )
    invoice_stripe_id: str = Field(
        description="Stripe's ID of the invoice; may be empty.", examples=["in_1Abc"]
    )
    reasons: list[ReconciliationReasonOut] = Field(
        description="The causes of the differences."
    )


class ReconciliationQuantityOut(Schema):
    """The recorded quantity of a meter, and what became of it."""

    product: str = Field(description="The product.", examples=["gpt-4o"])
    meter: str = Field(description="The meter.", examples=["prompt_tokens"])
    recorded: int = Field(description="The sum of daily usage.", examples=[91_250_000])
    priced: int | None = Field(
        description="The part with a price; null if events are past retention.",
        examples=[91_250_000],
    )
    free: int | None = Field(
        description="The part at a price of 0; null as `priced`.", examples=[0]
    )
    unpriced: int = Field(description="The part without a price.", examples=[0])


class ReconciliationOut(Schema):
    """A billing period, reconciled from its events to its invoice."""

    number: int = Field(description="The number of the period.", examples=[7])
    starts_at: AwareDatetime = Field(
        description="The first instant.", examples=["2026-10-01T00:00:00Z"]
    )
    ends_at: AwareDatetime | None = Field(
        description="The instant after the last; null while it is open.",
        examples=["2026-11-01T00:00:00Z"],
    )
    currency: str = Field(description="Currency code in lower case.", examples=["usd"])
    invoice: str | None = Field(
        description="The number of the invoice that closed it; null without one.",
        examples=["ACME-0007"],
    )
    is_reconciled: bool = Field(
        description="Whether each difference has an expected cause.", examples=[True]
    )
    is_complete: bool = Field(
        description="Whether each quantity is priced, free, or written off.",
        examples=[True],
    )
    steps: list[ReconciliationStepOut] = Field(
        description="The sums of the period, from events to invoices."
    )
    products: list[ReconciliationProductOut] = Field(
        description="The same for each product."
    )
    quantities: list[ReconciliationQuantityOut] = Field(
        description="The quantities of each product and meter."
    )


def reconciliation_out(result: Reconciliation) -> dict[str, Any]:
    """Return a reconciliation as `ReconciliationOut`."""
    period, invoice = result.period, result.invoice
    return {
        "number": period.number,
        "starts_at": period.starts_at,
        "ends_at": period.ends_at,
        "currency": result.currency,
        "invoice": invoice.number if invoice else None,
        "is_reconciled": result.is_reconciled,
        "is_complete": result.is_complete,
        "steps": [
            {
                "code": step.label.lower().replace(" ", "_"),
                "label": step.label,
                "amount": step.amount,
                "difference": step.difference,
                "reasons": _reasons_out(step.reasons),
            }
            for step in result.steps
        ],
        "products": [_product_out(row) for row in result.rows],
        "quantities": [
            {
                "product": meter.product,
                "meter": meter.meter,
                "recorded": meter.recorded,
                "priced": meter.priced,
                "free": meter.free,
                "unpriced": meter.unpriced,
            }
            for meter in result.meters
        ],
    }


def _product_out(row: ProductRow) -> dict[str, Any]:
    return {
        "product": row.product,
        "events": row.events,
        "daily_usage": row.daily,
        "charged": row.charged,
        "on_invoice": row.on_invoice,
        "invoice_stripe_id": row.invoice_stripe_id,
        "reasons": _reasons_out(row.reasons),
    }


def _reasons_out(reasons: Iterable[Reason]) -> list[dict[str, Any]]:
    return [
        {
            "code": reason.cause.name.lower(),
            "message": reason.cause.value,
            "is_problem": reason.cause.is_problem,
            "amount": reason.amount,
            "detail": reason.detail,
            "charge_id": reason.charge_id,
        }
        for reason in reasons
    ]
