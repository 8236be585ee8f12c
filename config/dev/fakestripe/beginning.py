"""How a subscription begins: its first period, its first invoice, its status."""

from typing import Any

from config.dev.fakestripe import (
    catalog,
    collecting,
    drafts,
    errors,
    params,
    periods,
    reductions,
    shapes,
)
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.due import WARNING_SECONDS
from config.dev.fakestripe.store import Json, new_id

MAX_ITEMS = 20


def begin(account: Account, customer: Json, given: dict[str, Any]) -> Json:
    """Create a subscription and its first invoice, collected as Stripe would."""
    behavior = given.pop("payment_behavior", None) or "allow_incomplete"
    prorated = (given.pop("proration_behavior", None) or "create_prorations") != "none"
    items = _items(account, given.pop("items"))
    now = account.now()
    trial_end = _trial_end(now, given)
    anchor = given.pop("billing_cycle_anchor", None) or trial_end or now
    prices = [account.get("price", item["price"]) for item in items]
    start, end = _first_period(now, anchor, trial_end, prices[0]["recurring"])
    for item in items:
        item |= {"current_period_start": start, "current_period_end": end}
    id_ = new_id("sub")
    reductions.prepare(account, given, subscription=id_)
    stored_subscription = shapes.subscription(
        now,
        id=id_,
        billing_cycle_anchor=anchor,
        currency=prices[0]["currency"],
        customer=customer["id"],
        items=items,
        status="trialing" if trial_end else "active",
        trial_end=trial_end,
        trial_start=now if trial_end else None,
        **given,
    )
    if stored_subscription["cancel_at_period_end"]:
        stored_subscription["cancel_at"] = end
    _note_currency(account, customer, stored_subscription["currency"])
    return _first_invoice(account, stored_subscription, behavior, prorated=prorated)


def _items(account: Account, given: list[dict[str, Any]]) -> list[Json]:
    if not given or len(given) > MAX_ITEMS:
        raise errors.invalid("items", f"items: 1 to {MAX_ITEMS}")
    prices = [
        catalog.usable(account, one["price"], param=f"items[{number}][price]")
        for number, one in enumerate(given)
    ]
    check_together(prices)
    return [
        {
            "price": price["id"],
            "metadata": params.merged({}, one.get("metadata", {})),
            **quantity_of(price, one, param=f"items[{number}][quantity]"),
        }
        for number, (one, price) in enumerate(zip(given, prices, strict=True))
    ]


def quantity_of(price: Json, given: Json, *, param: str) -> Json:
    """Return the quantity of a new item; a metered one has none."""
    is_metered = price["recurring"]["usage_type"] == "metered"
    quantity = given.get("quantity")
    if not is_metered:
        return {"quantity": 1 if quantity is None else quantity}
    if quantity is not None:
        raise errors.refused("Cannot set the quantity of a metered price.", param=param)
    return {}


def check_together(prices: list[Json]) -> None:
    """Refuse items of two currencies or intervals, or a price that is used twice."""
    if any(not price["recurring"] for price in prices):
        raise errors.refused(
            "The price specified is set to `type=one_time` but this field only accepts"
            " prices with `type=recurring`.",
            param="items[0][price]",
        )
    if len({price["currency"] for price in prices}) > 1:
        raise errors.refused("All prices must have the same currency.", param="items")
    kinds = {
        (price["recurring"]["interval"], price["recurring"]["interval_count"])
        for price in prices
    }
    if len(kinds) > 1:
        raise errors.refused(
            "All prices must have the same recurring interval.", param="items"
        )
    if len({price["id"] for price in prices}) < len(prices):
        raise errors.refused("Each price may be used once.", param="items")


def _trial_end(now: int, given: dict[str, Any]) -> int | None:
    ends, days = given.pop("trial_end", None), given.pop("trial_period_days", None)
    if ends is not None and days:
        raise errors.invalid(
            "trial_period_days", "You may only specify one of trial_end and this"
        )
    if ends == "now":
        return None
    if ends is None:
        return now + days * periods.DAY if days else None
    if ends <= now:
        raise errors.invalid("trial_end", "Invalid timestamp: must be in the future")
    return int(ends)


def _first_period(
    now: int, anchor: int, trial_end: int | None, recurring: Json
) -> tuple[int, int]:
    """Return the first period: until the end of the trial, or the billing anchor."""
    if trial_end:
        return now, trial_end
    _, end = periods.period_at(
        anchor, recurring["interval"], recurring["interval_count"], now
    )
    if anchor > end:
        raise errors.invalid(
            "billing_cycle_anchor",
            "billing_cycle_anchor cannot be later than next natural billing date",
        )
    return now, end


def _note_currency(account: Account, customer: Json, currency: str) -> None:
    if customer["currency"] is None:
        account.change(customer | {"currency": currency}, "customer.updated")
    elif customer["currency"] != currency:
        raise errors.refused(
            "You cannot combine currencies on a single customer. This customer has an"
            f" active subscription or balance in {customer['currency']}."
        )


def _first_invoice(
    account: Account, stored_subscription: Json, behavior: str, *, prorated: bool
) -> Json:
    account.add(stored_subscription, "customer.subscription.created")
    now = account.now()
    draft = drafts.of_subscription(
        account,
        stored_subscription,
        "subscription_create",
        [
            _first_line(account, stored_subscription, item, prorated)
            for item in stored_subscription["items"]["data"]
        ],
        auto_advance=True,
        period_start=now,
        period_end=now,
    )
    account.change(stored_subscription, "customer.subscription.updated")
    if stored_subscription["collection_method"] == "charge_automatically":
        _charge(account, stored_subscription, draft, behavior)
    elif not draft["amount_due"]:
        collecting.finalize(account, draft)
    stored_subscription = account.get("subscription", stored_subscription["id"])
    if (
        stored_subscription["status"] == "trialing"
        and stored_subscription["trial_end"] - now <= WARNING_SECONDS
    ):
        account.change(
            stored_subscription | {"_warned": True},
            "customer.subscription.trial_will_end",
        )
    return account.get("subscription", stored_subscription["id"])


def _first_line(
    account: Account,
    stored_subscription: Json,
    item: Json,
    prorated: bool,
) -> Json:
    if stored_subscription["status"] == "trialing":
        product = account.get("price", item["price"])["product"]
        name = account.get("product", product)["name"]
        return drafts.subscription_line(
            account,
            stored_subscription,
            item,
            amount=0,
            description=f"Free trial for {name}",
        )
    line = drafts.subscription_line(account, stored_subscription, item)
    start, end = item["current_period_start"], item["current_period_end"]
    recurring = account.get("price", item["price"])["recurring"]
    interval, count = recurring["interval"], recurring["interval_count"]
    anchor = stored_subscription["billing_cycle_anchor"]
    whole = periods.period_at(anchor, interval, count, start)
    line["amount"] = periods.share(
        line["amount"] if prorated or whole[0] == start else 0,
        end - start,
        whole[1] - whole[0],
    )
    return line | {"subtotal": line["amount"]}


def _charge(
    account: Account, stored_subscription: Json, draft: Json, behavior: str
) -> None:
    """Collect the first invoice; unpaid, the subscription is incomplete or refused."""
    collecting.finalize(account, draft)
    if draft["status"] == "paid":
        return
    account.change(
        stored_subscription | {"status": "incomplete"}, "customer.subscription.updated"
    )
    if behavior == "default_incomplete":
        return
    collecting.collect(account, draft)
    if draft["status"] != "paid" and behavior == "error_if_incomplete":
        refusal = errors.declined()
        refusal.keeps = False
        raise refusal
