"""Reads of credit notes, refunds and disputes, by the invoices that they concern."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing.models import Invoice, InvoiceAdjustment
from billing.money import ZERO, exactly

Kind = InvoiceAdjustment.Kind


@dataclass(frozen=True, slots=True)
class AdjustmentSums:
    """What went back of an invoice, and what is disputed of it."""

    credited: Decimal = ZERO  # by credit notes, before and after it was paid
    refunded: Decimal = ZERO
    disputed: Decimal = ZERO


def list_adjustments(organization_id: int) -> list[InvoiceAdjustment]:
    """Return all credit notes, refunds and disputes of an organization, newest first.

    Sums need all of them; a page shows the newest.
    """
    rows = InvoiceAdjustment.objects.filter(organization_id=organization_id)
    return list(rows.order_by("-happened_at", "-id"))


def sum_adjustments(
    invoices: Sequence[Invoice], adjustments: Iterable[InvoiceAdjustment]
) -> dict[str, AdjustmentSums]:
    """Return the sums of each invoice by its ID in Stripe.

    What is credited is as the invoice says; of the organization's adjustments, the
    refunds and disputes are added up.
    """
    sums: Mapping[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    owners = {
        payment_id: invoice.stripe_id
        for invoice in invoices
        for payment_id in invoice.payment_ids.split()
    }
    with exactly():
        for row in adjustments:
            if row.kind != Kind.CREDIT_NOTE and row.is_counted:
                sums[_find_invoice(row, owners)][row.kind] += row.amount
        return {
            invoice.stripe_id: AdjustmentSums(
                credited=invoice.credited_before_payment
                + invoice.credited_after_payment,
                refunded=sums[invoice.stripe_id][Kind.REFUND],
                disputed=sums[invoice.stripe_id][Kind.DISPUTE],
            )
            for invoice in invoices
        }


def _find_invoice(row: InvoiceAdjustment, owners: Mapping[str, str]) -> str:
    """Return the invoice whose payment it is of, empty if none is known."""
    return next((owners[id_] for id_ in row.payment_ids.split() if id_ in owners), "")
