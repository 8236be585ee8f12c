"""Making draft invoices: their lines, what waits to be on them, and their sums."""

from fractions import Fraction
from typing import Any

from config.dev.fakestripe import periods, shapes
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.store import Json


def amount_of(price: Json, quantity: int) -> int:
    """Minor units, rounded once."""
    return periods.rounded(Fraction(price["unit_amount_decimal"]) * quantity)


def subscription_line(account: Account, found: Json, item: Json, **given: Any) -> Json:
    """One item for its current period; `amount=0` for a trial."""
    price = account.get("price", item["price"])
    product = account.get("product", price["product"])
    return shapes.line(
        **{
            "amount": amount_of(price, item["quantity"]),
            "currency": found["currency"],
            "description": f"{item['quantity']} x {product['name']}",
            "metadata": found["metadata"],
            "parent": _of_item(found, item),
            "period": {
                "start": item["current_period_start"],
                "end": item["current_period_end"],
            },
            "pricing": shapes.priced(price),
            "quantity": item["quantity"],
            "subscription": found["id"],
        }
        | given
    )


def _of_item(found: Json, item: Json) -> Json:
    return {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None,
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": found["id"],
            "subscription_item": item["id"],
        },
        "type": "subscription_item_details",
    }


def item_line(found: Json) -> Json:
    """The line an invoice item is on its invoice."""
    details = (found["parent"] or {}).get("subscription_details") or {}
    of_invoice = {
        "invoice_item": found["id"],
        "proration": found["proration"],
        "proration_details": {"credited_items": None},
        "subscription": details.get("subscription"),
    }
    return shapes.line(
        amount=found["amount"],
        currency=found["currency"],
        description=found["description"],
        discountable=found["discountable"],
        invoice=found["invoice"],
        metadata=found["metadata"],
        parent={
            "invoice_item_details": of_invoice,
            "subscription_item_details": None,
            "type": "invoice_item_details",
        },
        period=found["period"],
        pricing=found["pricing"],
        quantity=found["quantity"],
        subscription=details.get("subscription"),
    )


def make(account: Account, customer: Json, **given: Any) -> Json:
    """A draft with its lines; one that advances by itself is final in an hour."""
    now = account.now()
    if given.get("auto_advance"):
        given.setdefault("automatically_finalizes_at", now + periods.HOUR)
    found = shapes.invoice(
        now,
        customer=customer["id"],
        customer_email=customer["email"],
        customer_name=customer["name"],
        **given,
    )
    recount(found, customer)
    return account.add(found, "invoice.created")


def of_subscription(
    account: Account, found: Json, reason: str, lines: list[Json], **given: Any
) -> Json:
    """A subscription's draft, with what waits for it, and its `latest_invoice`."""
    customer = account.get("customer", found["customer"])
    waiting = pending(account, found["customer"], found["currency"], found["id"])
    draft = make(
        account,
        customer,
        billing_reason=reason,
        collection_method=found["collection_method"],
        currency=found["currency"],
        lines=[*lines, *map(item_line, waiting)],
        parent=shapes.of_subscription(found),
        _days_until_due=found["days_until_due"],
        **given,
    )
    attach(account, waiting, draft)
    found["latest_invoice"] = draft["id"]
    return draft


def pending(
    account: Account, customer: str, currency: str, subscription: str | None
) -> list[Json]:
    """Invoice items of no invoice: the customer's own, and this subscription's."""
    return [
        found
        for found in account.store.select(
            "kind = 'invoiceitem' and customer = ? and invoice is null"
            " and (subscription is null or subscription = ?)",
            (customer, subscription),
        )
        if found["currency"] == currency
    ]


def attach(account: Account, items: list[Json], draft: Json) -> None:
    for item in items:
        account.change(item | {"invoice": draft["id"]})


def recount(found: Json, customer: Json) -> None:
    """Sums of the lines; a customer's balance, negative as credit, is taken in."""
    total = sum(line["amount"] for line in found["lines"]["data"])
    due = max(total + customer["balance"], 0)
    found |= {
        "amount_due": due,
        "amount_remaining": due - found["amount_paid"],
        "starting_balance": customer["balance"],
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "total": total,
        "total_excluding_tax": total,
    }
