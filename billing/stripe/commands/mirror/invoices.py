"""Invoices: amounts in their currency, as Stripe rounded them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from billing import gateway
from billing.models import Discrepancy, Invoice
from billing.stripe.commands.discrepancies import Difference
from billing.stripe.commands.mirror.fetches import Fetch, Outcome, note
from billing.stripe.commands.mirror.owners import Owner, owners_of
from billing.stripe.commands.mirror.writing import changed, clean, touch, upsert
from orgs.catalog import CURRENCY_DIGITS

TABLE = "billing_invoice"
_LONGEST_URL = 500
_LATE = timedelta(days=3)
_OF_A_CYCLE = "subscription_cycle"
_KINDS = {
    Discrepancy.Kind.CUSTOMER: ("organization_id",),
    Discrepancy.Kind.STATUS: ("status", "paid_at"),
    Discrepancy.Kind.AMOUNT: ("total", "amount_due", "amount_paid", "currency"),
    Discrepancy.Kind.PERIOD: ("issued_at", "due_at"),
}


@dataclass(frozen=True, slots=True)
class _Columns:
    stripe_id: str
    organization_id: int
    number: str
    status: str
    currency: str
    total: Decimal
    amount_due: Decimal
    amount_paid: Decimal
    issued_at: datetime
    due_at: datetime | None
    paid_at: datetime | None
    hosted_url: str


@transaction.atomic
def mirror_invoices(invoices: Sequence[gateway.Invoice], fetch: Fetch) -> Outcome:
    """Write what differs; answers, too, which ones bill the usage of a cycle."""
    owners = owners_of({one.customer_id for one in invoices})
    ours = [one for one in invoices if _is_ours(one, owners, fetch)]
    rows = Invoice.objects.in_bulk([one.id for one in ours], field_name="stripe_id")
    wanted = [_columns(one, owners[one.customer_id]) for one in ours]
    found = [
        difference
        for columns, one in zip(wanted, ours, strict=True)
        for difference in _differences(
            columns, rows.get(one.id), owners[one.customer_id], fetch
        )
    ]
    outcome = Outcome(
        met={one.stripe_id: one.organization_id for one in wanted},
        strangers={one.customer_id for one in invoices} - set(owners),
        billing=[one for one in ours if _bills(one, rows.get(one.id), fetch)],
    )
    outcome.discrepancy_count = note(found, [one.id for one in ours], fetch)
    if fetch.repairs:
        outcome.written = _write(wanted, fetch)
    return outcome


def _is_ours(one: gateway.Invoice, owners: Mapping[str, Owner], fetch: Fetch) -> bool:
    owner = owners.get(one.customer_id)
    return owner is not None and fetch.white_label_id in (None, owner.white_label_id)


def _bills(one: gateway.Invoice, row: Invoice | None, fetch: Fetch) -> bool:
    """A draft of a cycle; or one whose draft we missed, not long ago."""
    if one.billing_reason != _OF_A_CYCLE or not fetch.repairs:
        return False
    is_missed = row is None or row.period_id is None
    is_new = one.created_at > fetch.at - _LATE
    return one.status == Invoice.Status.DRAFT or (is_new and is_missed)


def _columns(one: gateway.Invoice, owner: Owner) -> _Columns:
    is_paid = one.status == Invoice.Status.PAID
    is_short = len(one.hosted_url) <= _LONGEST_URL
    return _Columns(
        stripe_id=one.id,
        organization_id=owner.organization_id,
        number=clean(one.number, 64),
        status=one.status,
        currency=one.currency,
        total=one.total,
        amount_due=one.amount_due,
        amount_paid=one.amount_paid,
        issued_at=one.finalized_at or one.created_at,
        due_at=one.due_at,
        paid_at=one.paid_at if is_paid else None,
        hosted_url=one.hosted_url if is_short else "",
    )


def _differences(
    columns: _Columns, row: Invoice | None, owner: Owner, fetch: Fetch
) -> Iterator[Difference]:
    def told(kind: str, ours: str) -> Difference:
        return Difference(
            kind,
            columns.stripe_id,
            ours,
            _said(columns, kind),
            theirs_at=fetch.at,
            ours_at=row.synced_at if row else None,
            organization_id=owner.organization_id,
            white_label_id=owner.white_label_id,
        )

    if row is not None:
        for kind in changed(row, columns, _KINDS):
            yield told(kind, _said(row, kind))
    elif fetch.records_new:
        yield told(Discrepancy.Kind.MISSING, "")


def _said(one: Invoice | _Columns, kind: str) -> str:
    match kind:
        case Discrepancy.Kind.AMOUNT | Discrepancy.Kind.MISSING:
            digits = CURRENCY_DIGITS.get(one.currency, 2)
            total, paid = f"{one.total:.{digits}f}", f"{one.amount_paid:.{digits}f}"
            return f"{total} {one.currency}, {paid} paid"
        case Discrepancy.Kind.PERIOD:
            due = f", due {one.due_at:%Y-%m-%d}" if one.due_at else ""
            return f"of {one.issued_at:%Y-%m-%d}{due}"
        case Discrepancy.Kind.CUSTOMER:
            return f"organization {one.organization_id}"
    return one.status + (f" {one.paid_at:%Y-%m-%d %H:%M} UTC" if one.paid_at else "")


def _write(wanted: Sequence[_Columns], fetch: Fetch) -> int:
    written = upsert(TABLE, wanted, fetch.at)
    if fetch.run_id is None:
        touch(TABLE, [one.stripe_id for one in wanted], fetch.at)
    return len(written)
