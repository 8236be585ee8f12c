"""Charges on the invoices of an answer: their lines, and what is missing of them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from billing import gateway
from billing.ledger.commands.decisions import return_lost_credits
from billing.ledger.commands.lines import InvoiceLines, record_lines
from billing.ledger.queries.differences import (
    ChargeDifference,
    list_invoice_differences,
)
from billing.models import Discrepancy, Invoice
from billing.money import ZERO, exactly
from billing.stripe.commands import discrepancies
from billing.stripe.commands.discrepancies import Difference
from billing.stripe.commands.mirror.fetches import FetchContext
from billing.stripe.commands.mirror.owners import Owner
from billing.stripe.commands.mirror.price_totals import write_price_totals
from orgs.catalog import CURRENCY_DIGITS

_KIND = Discrepancy.Kind.CHARGES
_LISTED_LINES = 10  # of each invoice that Stripe lists
_DRAFT = Invoice.Status.DRAFT


def mirror_charge_lines(
    invoices: Sequence[gateway.Invoice],
    owners: Mapping[str, Owner],
    context: FetchContext,
) -> int:
    """Record the lines of charges, and a discrepancy for each invoice that lacks some.

    Call it after the invoices were written, in that transaction. An invoice whose lines
    the answer has only in part is left alone. Return how many discrepancies are open.
    """
    whole = [invoice for invoice in invoices if not invoice.has_more_lines]
    affected = record_lines(
        [
            InvoiceLines(
                invoice.id,
                owners[invoice.customer_id].organization_id,
                invoice.lines,
                invoice.currency,
                invoice.credited_before_payment + invoice.credited_after_payment,
            )
            for invoice in whole
        ],
        at=context.at,
    )
    affected |= {invoice.id for invoice in invoices}
    write_price_totals(whole, at=context.at)
    _mark_final(whole)
    return_lost_credits(affected)
    return compare_charges(affected, context)


def _mark_final(invoices: Sequence[gateway.Invoice]) -> None:
    """Record that the lines of long invoices are known, and are not fetched again.

    Lists have all lines of the others: a sync does not write their rows for this.
    """
    ids = [
        invoice.id
        for invoice in invoices
        if len(invoice.lines) > _LISTED_LINES and invoice.status != _DRAFT
    ]
    if ids:
        rows = Invoice.objects.filter(stripe_id__in=ids, has_final_lines=False)
        rows.update(has_final_lines=True)


def delete_charge_lines(
    invoice_id: str, organization_id: int, context: FetchContext
) -> int:
    """Delete the lines of an invoice that Stripe deleted, and compare its charges.

    Call it after the invoice's row was deleted, in that transaction.
    """
    deleted = InvoiceLines(invoice_id, organization_id, ())
    affected = record_lines([deleted], at=context.at)
    return_lost_credits(affected)
    return compare_charges(affected, context)


def compare_charges(invoice_ids: Collection[str], context: FetchContext) -> int:
    """Record what is missing of the charges of these invoices; return how many do.

    Discrepancies of invoices that lack nothing any more are resolved.
    """
    rows = list_invoice_differences(invoice_ids)
    missing = list(_list_missing(rows, context))
    discrepancies.record(missing, run_id=context.run_id)
    discrepancies.resolve_absent(
        invoice_ids, remaining=missing, at=context.at, by=context.by, kinds=[_KIND]
    )
    return len(missing)


def _list_missing(
    rows: Iterable[ChargeDifference], context: FetchContext
) -> Iterator[Difference]:
    """Yield one difference for each invoice with charges that nothing explains."""
    by_invoice: dict[str, list[ChargeDifference]] = defaultdict(list)
    for row in rows:
        by_invoice[row.invoice_stripe_id].append(row)
    for invoice_id, charges in sorted(by_invoice.items()):
        lost = [row for row in charges if row.open_amount]
        if lost:
            yield _difference(invoice_id, charges, lost, context)


def _difference(
    invoice_id: str,
    charges: Sequence[ChargeDifference],
    lost: Sequence[ChargeDifference],
    context: FetchContext,
) -> Difference:
    first = lost[0]
    with exactly():
        charged = sum((row.amount for row in charges), ZERO)
        observed = sum((row.observed for row in charges), ZERO)
        amount = sum((row.open_amount for row in lost), ZERO)
    causes = ", ".join(sorted({row.cause.lower() for row in lost}))
    return Difference(
        _KIND,
        invoice_id,
        f"{_money(charged, first)} charged",
        f"{_money(observed, first)} on invoices: {causes}",
        stripe_read_at=context.at,
        organization_id=first.organization_id,
        white_label_id=first.white_label_id,
        amount=amount,
        currency=first.currency,
    )


def _money(amount: Decimal, row: ChargeDifference) -> str:
    return f"{amount:.{CURRENCY_DIGITS.get(row.currency, 2)}f} {row.currency}"
