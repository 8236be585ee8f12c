"""Making draft invoices: their lines, what waits to be on them, and their sums."""

from fractions import Fraction
from typing import Any

from config.dev.fakestripe import periods, reductions, shapes
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.store import Json


def amount_of(price: Json, quantity: int | None) -> int:
    """Return minor units, rounded once; without a quantity nothing was metered."""
    if quantity is None:
        return 0
    return periods.rounded(Fraction(price["unit_amount_decimal"]) * quantity)


def subscription_line(account: Account, source: Json, item: Json, **given: Any) -> Json:
    """Return the line of an item for its current period; `amount=0` in a trial."""
    price = account.get("price", item["price"])
    product = account.get("product", price["product"])
    quantity = item.get("quantity")
    return shapes.line(
        **{
            "amount": amount_of(price, quantity),
            "currency": source["currency"],
            "description": f"{quantity or 0} x {product['name']}",
            "metadata": source["metadata"],
            "parent": _of_item(source, item),
            "period": {
                "start": item["current_period_start"],
                "end": item["current_period_end"],
            },
            "pricing": shapes.priced(price),
            "quantity": quantity or 0,
            "subscription": source["id"],
        }
        | given
    )


def _of_item(source: Json, item: Json) -> Json:
    return {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None,
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": source["id"],
            "subscription_item": item["id"],
        },
        "type": "subscription_item_details",
    }


def item_line(source: Json) -> Json:
    """Return the invoice line of an invoice item."""
    details = (source["parent"] or {}).get("subscription_details") or {}
    of_invoice = {
        "invoice_item": source["id"],
        "proration": source["proration"],
        "proration_details": {"credited_items": None},
        "subscription": details.get("subscription"),
    }
    return shapes.line(
        amount=source["amount"],
        currency=source["currency"],
        description=source["description"],
        discountable=source["discountable"],
        invoice=source["invoice"],
        metadata=source["metadata"],
        parent={
            "invoice_item_details": of_invoice,
            "subscription_item_details": None,
            "type": "invoice_item_details",
        },
        period=source["period"],
        pricing=source["pricing"],
        quantity=source["quantity"],
        subscription=details.get("subscription"),
    )


def make(account: Account, customer: Json, **given: Any) -> Json:
    """Add a draft with its lines; with `auto_advance` it is finalized in an hour."""
    now = account.now()
    if given.get("auto_advance"):
        given.setdefault("automatically_finalizes_at", now + periods.HOUR)
    source = shapes.invoice(
        now,
        customer=customer["id"],
        customer_email=customer["email"],
        customer_name=customer["name"],
        **given,
    )
    recount(source, customer)
    return account.add(source, "invoice.created")


def of_subscription(
    account: Account, source: Json, reason: str, lines: list[Json], **given: Any
) -> Json:
    """Draft a subscription's invoice with its pending items, as `latest_invoice`."""
    customer = account.get("customer", source["customer"])
    waiting = pending(account, source["customer"], source["currency"], source["id"])
    draft = make(
        account,
        customer,
        billing_reason=reason,
        collection_method=source["collection_method"],
        currency=source["currency"],
        default_tax_rates=source["default_tax_rates"],
        discounts=source["discounts"],
        lines=[*lines, *map(item_line, waiting)],
        parent=shapes.of_subscription(source),
        _days_until_due=source["days_until_due"],
        _discounts=source.get("_discounts", []),
        **given,
    )
    attach(account, waiting, draft)
    source["latest_invoice"] = draft["id"]
    return draft


def pending(
    account: Account, customer: str, currency: str, subscription: str | None
) -> list[Json]:
    """Invoice items of no invoice: the customer's own, and this subscription's."""
    return [
        source
        for source in account.store.select(
            "kind = 'invoiceitem' and customer = ? and invoice is null"
            " and (subscription is null or subscription = ?)",
            (customer, subscription),
        )
        if source["currency"] == currency
    ]


def attach(account: Account, items: list[Json], draft: Json) -> None:
    for item in items:
        account.change(item | {"invoice": draft["id"]})


def recount(source: Json, customer: Json) -> None:
    """Add up the lines with discounts and taxes; apply the customer's balance.

    A balance is negative for credit.
    """
    lines = source["lines"]["data"]
    reductions.reduce(lines, source)
    sums = reductions.sums(lines)
    due = max(sums["total"] + customer["balance"], 0)
    source |= sums | {
        "amount_due": due,
        "amount_remaining": due - source["amount_paid"],
        "starting_balance": customer["balance"],
    }
