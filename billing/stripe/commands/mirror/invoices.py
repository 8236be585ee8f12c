"""Invoices of Stripe: amounts in their currency, as Stripe rounded them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from billing import gateway
from billing.ledger.commands.invoicing import CYCLE_REASON, DRAFT_REASONS
from billing.models import Discrepancy, Invoice
from billing.signals import terms_changed
from billing.stripe.commands.discrepancies import Difference
from billing.stripe.commands.mirror.charge_lines import (
    compare_charges,
    mirror_charge_lines,
)
from billing.stripe.commands.mirror.fetches import (
    FetchContext,
    Outcome,
    record_differences,
)
from billing.stripe.commands.mirror.owners import Owner, find_owners, is_in_scope
from billing.stripe.commands.mirror.upserts import (
    changed_kinds,
    clean,
    mark_synced,
    upsert,
)
from billing.stripe.commands.upcoming import mark_outdated
from orgs.catalog import CURRENCY_DIGITS

TABLE = "billing_invoice"
_LONGEST_NUMBER, _LONGEST_URL = 64, 500
_RECENT = timedelta(days=3)
# Columns whose change is a difference of each kind.
_KINDS = {
    Discrepancy.Kind.CUSTOMER: ("organization_id",),
    Discrepancy.Kind.STATUS: (
        *("status", "paid_at", "collection_method"),
        *("attempt_count", "next_attempt_at"),
    ),
    Discrepancy.Kind.AMOUNT: (
        *("total", "amount_due", "amount_paid", "amount_remaining", "currency"),
        *("credited_before_payment", "credited_after_payment"),
    ),
    Discrepancy.Kind.PERIOD: ("issued_at", "due_at"),
}


@dataclass(frozen=True, slots=True)
class _InvoiceColumns:
    stripe_id: str
    organization_id: int
    number: str
    status: str
    currency: str
    total: Decimal
    amount_due: Decimal
    amount_paid: Decimal
    amount_remaining: Decimal
    credited_before_payment: Decimal
    credited_after_payment: Decimal
    issued_at: datetime
    collection_method: str
    attempt_count: int
    next_attempt_at: datetime | None
    due_at: datetime | None
    paid_at: datetime | None
    hosted_url: str
    payment_ids: str


@transaction.atomic
def mirror_invoices(
    invoices: Sequence[gateway.Invoice], context: FetchContext
) -> Outcome:
    """Write the invoices that differ, and return which of them end a billing period."""
    owners = find_owners({invoice.customer_id for invoice in invoices})
    owned = [
        invoice
        for invoice in invoices
        if is_in_scope(owners.get(invoice.customer_id), context.white_label_id)
    ]
    ids = [invoice.id for invoice in owned]
    rows = Invoice.objects.in_bulk(ids, field_name="stripe_id")
    columns = [
        _build_columns(invoice, owners[invoice.customer_id]) for invoice in owned
    ]
    outcome = Outcome(
        seen={row.stripe_id: row.organization_id for row in columns},
        unlinked_customers={invoice.customer_id for invoice in invoices} - set(owners),
        closing_invoices=[
            invoice
            for invoice in owned
            if _closes_period(invoice, rows.get(invoice.id), context)
        ],
    )
    differences = _list_differences(owned, columns, rows, owners, context)
    partial = {invoice.id for invoice in owned if invoice.has_more_lines}
    outcome.discrepancy_count = record_differences(
        differences, ids, context, partial=partial
    )
    if context.repairs:
        outcome.written = _write(columns, context)
        outcome.discrepancy_count += mirror_charge_lines(owned, owners, context)
    else:
        outcome.discrepancy_count += compare_charges(ids, context)
    return outcome


def _closes_period(
    invoice: gateway.Invoice, row: Invoice | None, context: FetchContext
) -> bool:
    """Return whether an invoice ends a period that may still be open.

    That is a draft of a billing cycle, or, if Orgdesk missed the draft, a cycle's
    invoice of the last three days. A draft of a changed subscription ends none, but
    takes the charges that wait.
    """
    if not context.repairs or invoice.billing_reason not in DRAFT_REASONS:
        return False
    if invoice.billing_reason != CYCLE_REASON:
        return invoice.status == Invoice.Status.DRAFT
    is_missed = row is None or row.period_id is None
    is_recent = invoice.created_at > context.at - _RECENT
    return invoice.status == Invoice.Status.DRAFT or (is_recent and is_missed)


def _build_columns(invoice: gateway.Invoice, owner: Owner) -> _InvoiceColumns:
    """Return the row that an invoice should have."""
    is_paid = invoice.status == Invoice.Status.PAID
    has_short_url = len(invoice.hosted_url) <= _LONGEST_URL
    return _InvoiceColumns(
        stripe_id=invoice.id,
        organization_id=owner.organization_id,
        number=clean(invoice.number, _LONGEST_NUMBER),
        status=invoice.status,
        currency=invoice.currency,
        total=invoice.total,
        amount_due=invoice.amount_due,
        amount_paid=invoice.amount_paid,
        amount_remaining=invoice.amount_remaining,
        credited_before_payment=invoice.credited_before_payment,
        credited_after_payment=invoice.credited_after_payment,
        issued_at=invoice.finalized_at or invoice.created_at,
        collection_method=invoice.collection_method,
        attempt_count=invoice.attempt_count,
        next_attempt_at=invoice.next_attempt_at,
        due_at=invoice.due_at,
        paid_at=invoice.paid_at if is_paid else None,
        hosted_url=invoice.hosted_url if has_short_url else "",
        payment_ids=" ".join(invoice.payment_ids),
    )


def _list_differences(
    invoices: Sequence[gateway.Invoice],
    columns: Sequence[_InvoiceColumns],
    rows: Mapping[str, Invoice],
    owners: Mapping[str, Owner],
    context: FetchContext,
) -> list[Difference]:
    return [
        difference
        for invoice, row in zip(invoices, columns, strict=True)
        for difference in _compare(
            row, rows.get(invoice.id), owners[invoice.customer_id], context
        )
    ]


def _compare(
    columns: _InvoiceColumns, row: Invoice | None, owner: Owner, context: FetchContext
) -> Iterator[Difference]:
    """Yield the differences between an invoice's row and its columns from Stripe."""

    def difference(kind: str, orgdesk_value: str) -> Difference:
        return Difference(
            kind,
            columns.stripe_id,
            orgdesk_value,
            _describe(columns, kind),
            stripe_read_at=context.at,
            orgdesk_read_at=row.synced_at if row else None,
            organization_id=owner.organization_id,
            white_label_id=owner.white_label_id,
        )

    if row is not None:
        for kind in changed_kinds(row, columns, _KINDS):
            yield difference(kind, _describe(row, kind))
    elif context.records_new:
        yield difference(Discrepancy.Kind.MISSING, "")


def _describe(invoice: Invoice | _InvoiceColumns, kind: str) -> str:
    """Return the columns of a kind of difference as a text for people."""
    match kind:
        case Discrepancy.Kind.AMOUNT | Discrepancy.Kind.MISSING:
            digits = CURRENCY_DIGITS.get(invoice.currency, 2)
            total = f"{invoice.total:.{digits}f}"
            paid = f"{invoice.amount_paid:.{digits}f}"
            remaining = f"{invoice.amount_remaining:.{digits}f}"
            return f"{total} {invoice.currency}, {paid} paid, {remaining} remaining"
        case Discrepancy.Kind.PERIOD:
            due = f", due {invoice.due_at:%Y-%m-%d}" if invoice.due_at else ""
            return f"issued {invoice.issued_at:%Y-%m-%d}{due}"
        case Discrepancy.Kind.CUSTOMER:
            return f"organization {invoice.organization_id}"
    return _describe_status(invoice)


def _describe_status(invoice: Invoice | _InvoiceColumns) -> str:
    """Return the status of an invoice and of the attempts to charge it."""
    if invoice.paid_at:
        return f"{invoice.status} {invoice.paid_at:%Y-%m-%d %H:%M} UTC"
    parts = [invoice.status]
    if invoice.attempt_count:
        parts.append(f"attempts: {invoice.attempt_count}")
    if invoice.next_attempt_at:
        parts.append(f"next attempt {invoice.next_attempt_at:%Y-%m-%d %H:%M} UTC")
    return ", ".join(parts)


def _write(columns: Sequence[_InvoiceColumns], context: FetchContext) -> int:
    """Write the rows that differ and return how many did."""
    written = upsert(TABLE, columns, context.at)
    changed = [row for row in columns if row.stripe_id in written]
    _announce_attempts(changed)
    if changed:
        mark_outdated(row.organization_id for row in changed)
    if context.run_id is None:
        mark_synced(TABLE, [row.stripe_id for row in columns], context.at)
    return len(written)


def _announce_attempts(columns: Sequence[_InvoiceColumns]) -> None:
    """Let alerts be evaluated for the owners of invoices whose payment was tried."""
    ids = {
        row.organization_id
        for row in columns
        if row.status == Invoice.Status.OPEN and row.attempt_count
    }
    if ids:
        terms_changed.send(Invoice, organization_ids=sorted(ids))
