"""Objects loaded as they are, thousands at once: for the demo, the bench and tests.

An object needs `object` and what matters of it; the rest is filled in. A subscription's
items are [{"price": …, "quantity": …}]: their period is that of today, counted from the
anchor, unless they say another. An invoice's lines need an amount; sums follow from
them unless `total` is given.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from config.dev.fakestripe import periods, shapes
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.store import Json

_MAKERS: dict[str, Callable[..., Json]] = {
    "customer": shapes.customer,
    "product": shapes.product,
    "price": shapes.price,
    "subscription": shapes.subscription,
    "invoice": shapes.invoice,
    "invoiceitem": shapes.invoiceitem,
    "charge": shapes.charge,
    "refund": shapes.refund,
    "dispute": shapes.dispute,
}
_CREATED = {
    "customer": "customer.created",
    "product": "product.created",
    "price": "price.created",
    "subscription": "customer.subscription.created",
    "invoice": "invoice.created",
    "invoiceitem": "invoiceitem.created",
    "charge": "charge.succeeded",
    "refund": "refund.created",
    "dispute": "charge.dispute.created",
}


def load(account: Account, given: Sequence[Json], *, events: bool = False) -> list[str]:
    """Load objects and return their ids; a bad one loads none of them."""
    with account.store.transaction():
        record = list(_whole(account, given))
        account.store.put_many(record)
        if events:
            for one in record:
                account.emit(_CREATED[one["object"]], one)
    return [one["id"] for one in record]


def _whole(account: Account, given: Sequence[Json]) -> Iterator[Json]:
    """Prices first, for subscriptions read their interval."""
    now = account.now()
    prices: dict[str, Json] = {}
    for one in sorted(given, key=lambda one: one["object"] != "price"):
        made = _make(now, one)
        if made["object"] == "price":
            prices[made["id"]] = made
        elif made["object"] == "subscription":
            _date(account, made, one, prices, now)
        elif made["object"] == "invoice":
            if made["due_date"] and made["collection_method"] != "send_invoice":
                raise ValueError("an automatic charge has no due date")
            _sum(made, one)
        yield made


def _make(now: int, one: Json) -> Json:
    created = one.get("created", one.get("date", now))
    rest = {
        key: value for key, value in one.items() if key not in {"object", "created"}
    }
    return _MAKERS[one["object"]](created, **rest)


def _date(
    account: Account, made: Json, given: Json, prices: dict[str, Json], now: int
) -> None:
    usual = made["trial_end"] or made["created"]
    anchor = int(given.get("billing_cycle_anchor") or usual)
    made["billing_cycle_anchor"] = anchor
    for item in made["items"]["data"]:
        if item["price"] not in prices:
            prices[item["price"]] = account.get("price", item["price"])
        made["currency"] = prices[item["price"]]["currency"]
        if prices[item["price"]]["recurring"]["usage_type"] != "metered":
            item.setdefault("quantity", 1)
        if item["current_period_end"] != item["current_period_start"]:
            continue
        recurring = prices[item["price"]]["recurring"]
        interval, count = recurring["interval"], recurring["interval_count"]
        start, end = periods.period_at(anchor, interval, count, now)
        if made["status"] == "trialing":
            start, end = made["trial_start"] or made["created"], made["trial_end"]
        item |= {"current_period_start": start, "current_period_end": end}


def _sum(made: Json, given: Json) -> None:
    """Amounts of an invoice in its status, and the marks of that status."""
    total = given.get("total", sum(line["amount"] for line in made["lines"]["data"]))
    paid = total if made["status"] == "paid" else 0
    sums: dict[str, Any] = {
        "amount_due": max(total, 0),
        "amount_paid": max(paid, 0),
        "amount_remaining": max(total - paid, 0),
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "total": total,
        "total_excluding_tax": total,
    }
    made |= {key: value for key, value in sums.items() if key not in given}
    if made["status"] == "draft":
        return
    if intent := made.pop("_payment_intent", None):
        made["_payments"] = [
            shapes.invoice_payment(
                made["created"],
                amount=made["amount_paid"],
                currency=made["currency"],
                intent=intent,
                invoice=made["id"],
            )
        ]
    made["hosted_invoice_url"] = "/i/"
    if "effective_at" not in given:
        made["effective_at"] = made["created"] + periods.HOUR
    if "status_transitions" not in given:
        made["status_transitions"] = _transitions(made)


def _transitions(made: Json) -> Json:
    names = {
        "paid": "paid_at",
        "void": "voided_at",
        "uncollectible": "marked_uncollectible_at",
    }
    record = {**made["status_transitions"], "finalized_at": made["effective_at"]}
    if name := names.get(made["status"]):
        record[name] = made["effective_at"]
    return record
