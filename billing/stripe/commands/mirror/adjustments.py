"""Mirror of credit notes, refunds and disputes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from billing.gateway import Adjustment
from billing.models import Discrepancy, InvoiceAdjustment
from billing.stripe.commands.discrepancies import Difference
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

TABLE = "billing_invoiceadjustment"
_LONGEST_NUMBER, _LONGEST_REASON = 64, 100
# Columns whose change is a difference of each kind.
_KINDS = {
    Discrepancy.Kind.CUSTOMER: ("organization_id",),
    Discrepancy.Kind.STATUS: ("status", "respond_by_at"),
    Discrepancy.Kind.AMOUNT: ("amount", "currency"),
}


@dataclass(frozen=True, slots=True)
class _AdjustmentColumns:
    stripe_id: str
    organization_id: int
    kind: str
    invoice_stripe_id: str
    payment_ids: str
    number: str
    status: str
    reason: str
    currency: str
    amount: Decimal
    happened_at: datetime
    respond_by_at: datetime | None


@transaction.atomic
def mirror_adjustments(
    adjustments: Sequence[Adjustment], context: FetchContext
) -> Outcome:
    """Write the credit notes, refunds or disputes that differ."""
    customers = {adjustment.customer_id for adjustment in adjustments} - {""}
    owners = find_owners(customers)
    columns = [
        _build_columns(adjustment, owners[adjustment.customer_id])
        for adjustment in adjustments
        if is_in_scope(owners.get(adjustment.customer_id), context.white_label_id)
    ]
    ids = [row.stripe_id for row in columns]
    rows = InvoiceAdjustment.objects.in_bulk(ids, field_name="stripe_id")
    outcome = Outcome(
        seen={row.stripe_id: row.organization_id for row in columns},
        unlinked_customers=customers - set(owners),
    )
    by_organization = {owner.organization_id: owner for owner in owners.values()}
    differences = [
        difference
        for row in columns
        for difference in _compare(
            row, rows.get(row.stripe_id), by_organization, context
        )
    ]
    outcome.discrepancy_count = record_differences(differences, ids, context)
    if context.repairs:
        written = upsert(TABLE, columns, context.at)
        outcome.written = len(written)
        if written:  # a credit note may have changed the customer's balance
            changed = (row for row in columns if row.stripe_id in written)
            mark_outdated(row.organization_id for row in changed)
        if context.run_id is None:
            mark_synced(TABLE, ids, context.at)
    return outcome


def _build_columns(adjustment: Adjustment, owner: Owner) -> _AdjustmentColumns:
    """Return the row that a credit note, refund or dispute should have."""
    return _AdjustmentColumns(
        stripe_id=adjustment.id,
        organization_id=owner.organization_id,
        kind=adjustment.kind,
        invoice_stripe_id=adjustment.invoice_id,
        payment_ids=" ".join(adjustment.payment_ids),
        number=clean(adjustment.number, _LONGEST_NUMBER),
        status=adjustment.status,
        reason=clean(adjustment.reason, _LONGEST_REASON),
        currency=adjustment.currency,
        amount=adjustment.amount,
        happened_at=adjustment.created_at,
        respond_by_at=adjustment.respond_by_at,
    )


def _compare(
    columns: _AdjustmentColumns,
    row: InvoiceAdjustment | None,
    owners: Mapping[int, Owner],
    context: FetchContext,
) -> Iterator[Difference]:
    """Yield the differences between a row and its columns from Stripe."""

    def difference(kind: str, orgdesk_value: str) -> Difference:
        return Difference(
            kind,
            columns.stripe_id,
            orgdesk_value,
            _describe(columns, kind),
            stripe_read_at=context.at,
            orgdesk_read_at=row.synced_at if row else None,
            organization_id=columns.organization_id,
            white_label_id=owners[columns.organization_id].white_label_id,
        )

    if row is not None:
        for kind in changed_kinds(row, columns, _KINDS):
            yield difference(kind, _describe(row, kind))
    elif context.records_new:
        yield difference(Discrepancy.Kind.MISSING, "")


def _describe(adjustment: InvoiceAdjustment | _AdjustmentColumns, kind: str) -> str:
    """Return the columns of a kind of difference as a text for people."""
    digits = CURRENCY_DIGITS.get(adjustment.currency, 2)
    amount = f"{adjustment.amount:.{digits}f} {adjustment.currency}"
    match kind:
        case Discrepancy.Kind.CUSTOMER:
            return f"organization {adjustment.organization_id}"
        case Discrepancy.Kind.STATUS:
            return adjustment.status
    return f"{adjustment.kind.replace('_', ' ')}, {amount}"
