"""Previews of the next invoices of subscriptions; nothing is written."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing.gateway import calls
from billing.gateway.errors import Refused
from billing.gateway.nodes import Node, to_minor
from billing.gateway.objects import Invoice, InvoiceLine

_NONE = "invoice_upcoming_none"  # Stripe's code: nothing will be billed
_USAGE = "orgdesk_usage"  # metadata of the item that stands for usage


@dataclass(frozen=True, slots=True)
class UsageLine:
    """What Stripe does with usage that it was asked about; amounts are positive."""

    amount: Decimal
    discount: Decimal
    tax: Decimal  # after the discount; what the amount includes is not in it


@dataclass(frozen=True, slots=True)
class NextInvoice:
    """The invoice that Stripe would create at the end of a subscription's period.

    `usage` was asked about and is in none of the other fields; its amounts are 0 if
    nothing was asked. It is None if its line is not on the first page of lines; then
    `discount` and `tax` are those of all lines.
    """

    currency: str
    lines: tuple[InvoiceLine, ...]  # the first page of them
    usage: UsageLine | None
    discount: Decimal  # taken off the lines
    tax: Decimal  # added to the lines; what they include is not in it
    customer_balance: Decimal  # below 0 for credit
    total: Decimal

    @property
    def other(self) -> Decimal:
        """The part of the total that is on none of the lines."""
        listed = sum((line.amount for line in self.lines), Decimal(0))
        return self.total - (listed - self.discount + self.tax)


def preview_next(
    subscription_id: str, *, usage: Decimal = Decimal(0), currency: str = ""
) -> NextInvoice | None:
    """Return the next invoice of a subscription; None if nothing will be billed.

    `usage`, rounded and in major units of `currency`, is previewed as an invoice item
    as Orgdesk will create it, so that Stripe states its discount and tax.
    """
    path = "/v1/invoices/create_preview"
    items = [_usage_item(usage, currency)] if usage > 0 else None
    try:
        answer = calls.post(
            path, key="", subscription=subscription_id, invoice_items=items
        )
    except Refused as error:
        if error.code == _NONE:
            return None
        raise
    previewed = usage if items else Decimal(0)
    return _read(answer.as_kind("invoice"), previewed)


def _usage_item(amount: Decimal, currency: str) -> dict[str, Any]:
    return {
        "amount": to_minor(amount, currency),
        "currency": currency,
        "description": "Usage",
        "metadata": {_USAGE: "1"},
    }


def _read(node: Node, previewed: Decimal) -> NextInvoice:
    invoice = Invoice.read(node)
    currency = invoice.currency
    unstated = UsageLine(previewed, Decimal(0), Decimal(0))
    usage = next(_usage_lines(node, currency), None if previewed else unstated)
    stated = usage or unstated
    return NextInvoice(
        currency=currency,
        lines=tuple(line for line in invoice.lines if _USAGE not in line.metadata),
        usage=usage,
        discount=_sum(node, "total_discount_amounts", currency) - stated.discount,
        tax=_sum(node, "total_taxes", currency) - stated.tax,
        customer_balance=node.money("starting_balance", currency),
        total=invoice.total - (stated.amount - stated.discount + stated.tax),
    )


def _usage_lines(invoice: Node, currency: str) -> Iterator[UsageLine]:
    for line in invoice.nodes("lines"):
        if _USAGE in line.metadata():
            yield UsageLine(
                line.money("amount", currency),
                _sum(line, "discount_amounts", currency),
                _sum(line, "taxes", currency),
            )


def _sum(of: Node, name: str, currency: str) -> Decimal:
    """Return the sum of a list of amounts, which is null if there are none."""
    values = of.value.get(name) or ()
    nodes = [Node.from_value(value, f"{of.path}.{name}") for value in values]
    added = (
        node.money("amount", currency)
        for node in nodes
        if node.value.get("tax_behavior") != "inclusive"
    )
    return sum(added, Decimal(0))
