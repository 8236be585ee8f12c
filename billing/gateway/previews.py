"""Previews of the next invoices of subscriptions; nothing is written."""

from dataclasses import dataclass
from decimal import Decimal

from billing.gateway import calls
from billing.gateway.errors import Refused
from billing.gateway.nodes import Node
from billing.gateway.objects import Invoice, InvoiceLine

_NONE = "invoice_upcoming_none"  # Stripe's code: nothing will be billed


@dataclass(frozen=True, slots=True)
class NextInvoice:
    """The invoice that Stripe would create at the end of a subscription's period."""

    currency: str
    lines: tuple[InvoiceLine, ...]  # the first page of them
    discount: Decimal  # taken off the lines
    tax: Decimal  # added to the lines; what they include is not in it
    customer_balance: Decimal  # below 0 for credit
    total: Decimal

    @property
    def other(self) -> Decimal:
        """The part of the total that is on none of the lines."""
        listed = sum((line.amount for line in self.lines), Decimal(0))
        return self.total - (listed - self.discount + self.tax)


def preview_next(subscription_id: str) -> NextInvoice | None:
    """Return the next invoice of a subscription; None if nothing will be billed."""
    path = "/v1/invoices/create_preview"
    try:
        answer = calls.post(path, key="", subscription=subscription_id)
    except Refused as error:
        if error.code == _NONE:
            return None
        raise
    node = answer.as_kind("invoice")
    invoice = Invoice.read(node)
    return NextInvoice(
        currency=invoice.currency,
        lines=invoice.lines,
        discount=_sum(node, "total_discount_amounts", invoice.currency),
        tax=_sum(node, "total_taxes", invoice.currency),
        customer_balance=node.money("starting_balance", invoice.currency),
        total=invoice.total,
    )


def _sum(invoice: Node, name: str, currency: str) -> Decimal:
    """Return the sum of a list of amounts, which is null if there are none."""
    values = invoice.value.get(name) or ()
    nodes = [Node.from_value(value, f"{invoice.path}.{name}") for value in values]
    added = (
        node.money("amount", currency)
        for node in nodes
        if node.value.get("tax_behavior") != "inclusive"
    )
    return sum(added, Decimal(0))
