from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from billing.gateway import calls
from billing.gateway.reading import Node, minor
from billing.gateway.shapes import Invoice, InvoiceItem, Page


def get_invoice(id_: str) -> Invoice:
    return _read(calls.get(_place(id_)))


def list_invoices(
    *,
    after: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    customer_id: str = "",
    subscription_id: str = "",
) -> Page[Invoice]:
    return calls.page(
        "/v1/invoices",
        Invoice.read,
        customer=customer_id or None,
        subscription=subscription_id or None,
        **calls.window(after=after, since=since, until=until),
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
    """Onto a draft; raises `Refused` for an invoice that is one no more.

    `amount` is in major units and rounded already, else `ValueError`; the span is the
    period that it bills.
    """
    span = {"start": calls.timestamp(starts_at), "end": calls.timestamp(ends_at)}
    params = {
        "customer": customer_id,
        "invoice": invoice_id,
        "amount": minor(amount, currency),
        "currency": currency,
        "description": description,
        "metadata": dict(metadata or {}),
        "period": span if starts_at and ends_at else None,
    }
    return _item(calls.post("/v1/invoiceitems", key=key, **params))


def list_invoice_items(
    *, invoice_id: str = "", customer_id: str = ""
) -> Iterator[InvoiceItem]:
    """All of one invoice, or of one customer, page after page.

    Raises `Malformed` where one cannot be read: sums need every one of them.
    """
    after = ""
    while True:
        page = calls.page(
            "/v1/invoiceitems",
            InvoiceItem.read,
            invoice=invoice_id or None,
            customer=customer_id or None,
            **calls.window(after=after),
        )
        if page.malformed:
            raise page.malformed[0]
        yield from page.items
        if not (after := page.next_cursor):
            return


def create_invoice(
    customer_id: str, *, currency: str, key: str, metadata: Mapping[str, str]
) -> Invoice:
    """An empty draft; Stripe finalizes it in an hour, as it does those of a cycle."""
    params = {
        "customer": customer_id,
        "currency": currency,
        "auto_advance": True,
        "pending_invoice_items_behavior": "exclude",
        "metadata": dict(metadata),
    }
    return _read(calls.post("/v1/invoices", key=key, **params))


def send_invoice(id_: str, *, key: str) -> Invoice:
    """By e-mail with a link to pay it; a draft is finalized by that."""
    return _read(calls.post(_place(id_, "send"), key=key))


def _place(id_: str, *more: str) -> str:
    return calls.place("invoices", id_, *more)


def _read(answer: Node) -> Invoice:
    return Invoice.read(answer.named("invoice"))


def _item(answer: Node) -> InvoiceItem:
    return InvoiceItem.read(answer.named("invoiceitem"))
