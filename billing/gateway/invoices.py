"""Invoices and invoice items of the Stripe account."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from billing.gateway import calls
from billing.gateway.errors import Missing
from billing.gateway.nodes import Node, to_minor
from billing.gateway.objects import Invoice, InvoiceItem, InvoiceLine, Page


def get_invoice(id_: str) -> Invoice:
    """Return an invoice with all its lines."""
    with calls.object_of(id_):
        invoice = _read(calls.get(_path(id_), expand=["payments"]))
    if not invoice.has_more_lines:
        return invoice
    with calls.part_of(id_, invoice.customer_id):
        lines = tuple(_list_lines(id_, invoice.currency))
    return replace(invoice, lines=lines, has_more_lines=False)


def _list_lines(id_: str, currency: str) -> Iterator[InvoiceLine]:
    path = _path(id_, "lines")
    return calls.all_items(path, lambda node: InvoiceLine.read(node, currency))


def is_item_waiting(id_: str) -> bool:
    """Return whether an invoice item exists and waits for its customer's next invoice.

    An item on an invoice, even on a void one, does not wait.
    """
    try:
        answer = calls.get(calls.object_path("invoiceitems", id_))
    except Missing:
        return False
    return not InvoiceItem.read(answer.as_kind("invoiceitem")).invoice_id


def find_paid_invoice(payment_id: str) -> str:
    """Return the id of the invoice that an invoice payment is for."""
    answer = calls.get(calls.object_path("invoice_payments", payment_id))
    return answer.as_kind("invoice_payment").reference("invoice")


def list_invoices(
    *,
    after: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    customer_id: str = "",
    subscription_id: str = "",
) -> Page[Invoice]:
    """Return a page of invoices in any status, newest first."""
    return calls.page(
        "/v1/invoices",
        Invoice.read,
        customer=customer_id or None,
        subscription=subscription_id or None,
        expand=["data.payments"],
        **calls.list_parameters(after=after, since=since, until=until),
    )


def create_invoice_item(
    *,
    customer_id: str,
    invoice_id: str,
    amount: Decimal,
    currency: str,
    description: str,
    key: str,
    metadata: Mapping[str, str] | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> InvoiceItem:
    """Add an item to a draft invoice, once per idempotency key.

    `amount` is in major units and must be rounded to the currency's minor unit, else
    `ValueError`. The span is the period that the item bills. Raises `Refused` if the
    invoice is no longer a draft.
    """
    span = {"start": calls.timestamp(starts_at), "end": calls.timestamp(ends_at)}
    params = {
        "customer": customer_id,
        "invoice": invoice_id,
        "amount": to_minor(amount, currency),
        "currency": currency,
        "description": description,
        "metadata": dict(metadata or {}),
        "period": span if starts_at and ends_at else None,
    }
    answer = calls.post("/v1/invoiceitems", key=key, **params)
    return InvoiceItem.read(answer.as_kind("invoiceitem"))


def list_invoice_items(
    *, invoice_id: str = "", customer_id: str = ""
) -> Iterator[InvoiceItem]:
    """Yield all items of an invoice or of a customer, page after page.

    Raises `Malformed` if one cannot be read: a sum over the others would be wrong.
    """
    return calls.all_items(
        "/v1/invoiceitems",
        InvoiceItem.read,
        invoice=invoice_id or None,
        customer=customer_id or None,
    )


def create_invoice(
    customer_id: str, *, currency: str, key: str, metadata: Mapping[str, str]
) -> Invoice:
    """Create an empty draft invoice, once per idempotency key.

    Stripe finalizes it after an hour, as it does the drafts of a billing cycle.
    """
    params = {
        "customer": customer_id,
        "currency": currency,
        "auto_advance": True,
        "pending_invoice_items_behavior": "exclude",
        "metadata": dict(metadata),
    }
    return _read(calls.post("/v1/invoices", key=key, **params))


def send_invoice(id_: str, *, key: str) -> Invoice:
    """Email the customer a link to pay an invoice; this finalizes a draft."""
    return _read(calls.post(_path(id_, "send"), key=key))


def _path(id_: str, *suffixes: str) -> str:
    return calls.object_path("invoices", id_, *suffixes)


def _read(answer: Node) -> Invoice:
    return Invoice.read(answer.as_kind("invoice"))
