"""Commands that record the lines of Stripe's invoices that carry charges.

A line belongs to a charge by the invoice item that the charge created, or by the
charge's id in the line's metadata: Stripe copies both the amount and the metadata to
the invoice that replaces a void one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import connection
from django.db.models import Q

from billing import gateway
from billing.models import Charge, ChargeLine
from billing.money import ZERO, allocate, exactly

CHARGE = "orgdesk_charge"  # metadata of an invoice item: the id of its charge
_ID_DIGITS = 18  # PostgreSQL refuses numbers above 2^63; 18 digits are below


@dataclass(frozen=True, slots=True)
class InvoiceLines:
    """All lines of an invoice that belongs to an organization.

    `credited` is what credit notes took off the invoice.
    """

    invoice_id: str
    organization_id: int
    lines: Sequence[gateway.InvoiceLine]
    currency: str = ""
    credited: Decimal = ZERO

    @property
    def credited_by_line(self) -> Mapping[str, Decimal]:
        """What credit notes took off each line, in proportion to the lines.

        A credit note may name no lines, so all are treated alike. One for the whole
        invoice takes off the lines below 0, too.
        """
        if not self.credited:
            return {}
        with exactly():
            total = sum((line.amount for line in self.lines), ZERO)
        if self.credited >= total:
            return {line.id: line.amount for line in self.lines}
        parts = {line.id: line.amount for line in self.lines if line.amount > 0}
        return allocate(self.credited, parts, self.currency)


class _Line(NamedTuple):
    invoice_id: str
    item_id: str
    charge_id: int
    amount: Decimal
    credited: Decimal


class _ChargeKey(NamedTuple):
    id: int
    stripe_id: str | None
    organization_id: int
    invoice_id: str


def record_lines(invoices: Sequence[InvoiceLines], *, at: datetime) -> set[str]:
    """Write the lines of charges on these invoices, as Stripe had them at `at`.

    Lines that Stripe does not have any more are deleted. Lines that were read later
    stay as they are. Return the invoices whose charges may have changed: these, and
    the ones that the charges were first sent to. Four statements; call it in a
    transaction.
    """
    invoice_ids = [invoice.invoice_id for invoice in invoices]
    present = ChargeLine.objects.filter(invoice_stripe_id__in=invoice_ids)
    earlier = list(
        present.values_list("id", "invoice_stripe_id", "item_stripe_id", "charge_id")
    )
    charges = _find_charges(invoices, [row[3] for row in earlier])
    lines = list(_match(invoices, charges))
    keys = {(line.invoice_id, line.item_id) for line in lines}
    removed = [id_ for id_, *key, _ in earlier if tuple(key) not in keys]
    if removed:
        ChargeLine.objects.filter(pk__in=removed, read_at__lte=at).delete()
    write_lines(lines, at=at)
    return {*invoice_ids, *(charge.invoice_id for charge in charges)}


def _find_charges(
    invoices: Sequence[InvoiceLines], known_ids: Sequence[int]
) -> list[_ChargeKey]:
    """Return the charges that the lines name, and those of lines that were read."""
    lines = [line for invoice in invoices for line in invoice.lines]
    ids = {id_ for line in lines if (id_ := _named_charge(line))} | set(known_ids)
    item_ids = {line.invoice_item_id for line in lines if line.invoice_item_id}
    if not ids and not item_ids:
        return []
    rows = Charge.objects.filter(Q(pk__in=ids) | Q(stripe_id__in=item_ids))
    names = ("pk", "stripe_id", "period__organization_id", "invoice_stripe_id")
    return [_ChargeKey(*row) for row in rows.values_list(*names)]


def _named_charge(line: gateway.InvoiceLine) -> int | None:
    text = line.metadata.get(CHARGE, "")
    is_id = text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS
    return int(text) if is_id else None


def _match(
    invoices: Sequence[InvoiceLines], charges: Sequence[_ChargeKey]
) -> Iterator[_Line]:
    """Yield the lines that carry a charge of their invoice's organization."""
    by_item = {charge.stripe_id: charge for charge in charges if charge.stripe_id}
    by_id = {charge.id: charge for charge in charges}
    for invoice in invoices:
        credited = invoice.credited_by_line
        for line in invoice.lines:
            named = by_id.get(_named_charge(line) or 0)
            charge = by_item.get(line.invoice_item_id, named)
            if charge and charge.organization_id == invoice.organization_id:
                item_id = line.invoice_item_id or line.id
                amounts = line.amount, credited.get(line.id, ZERO)
                yield _Line(invoice.invoice_id, item_id, charge.id, *amounts)


# The condition keeps lines that were read later, and writes no equal row again.
_UPSERT = """
insert into billing_chargeline as l (invoice_stripe_id, item_stripe_id, charge_id,
    amount, credited_amount, read_at)
select f.*, %(at)s from unnest(%(invoices)s::text[], %(items)s::text[],
    %(charges)s::bigint[], %(amounts)s::numeric[], %(credited)s::numeric[]) f
on conflict (invoice_stripe_id, item_stripe_id) do update
set charge_id = excluded.charge_id, amount = excluded.amount,
    credited_amount = excluded.credited_amount, read_at = excluded.read_at
where l.read_at <= excluded.read_at
    and (l.charge_id, l.amount, l.credited_amount) is distinct from
    (excluded.charge_id, excluded.amount, excluded.credited_amount)
"""


def write_lines(lines: Sequence[_Line], *, at: datetime) -> None:
    """Insert or update lines, in the order of their keys."""
    if not lines:
        return
    rows = sorted({line[:2]: line for line in lines}.values())
    invoices, items, charges, amounts, credited = map(list, zip(*rows, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            _UPSERT,
            {
                "at": at,
                "invoices": invoices,
                "items": items,
                "charges": charges,
                "amounts": amounts,
                "credited": credited,
            },
        )


def write_item(charge: Charge, item: gateway.InvoiceItem, *, at: datetime) -> None:
    """Write the line of a charge from Stripe's answer about its invoice item."""
    invoice_id = item.invoice_id or charge.invoice_stripe_id
    write_lines([_Line(invoice_id, item.id, charge.pk, item.amount, ZERO)], at=at)
