"""How a subscription changes: items and their proration, trials, renewals, its end."""

from typing import Any

from config.dev.fakestripe import (
    beginning,
    catalog,
    collecting,
    drafts,
    errors,
    params,
    periods,
    shapes,
)
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.proration import Change, prorate
from config.dev.fakestripe.store import Json


def change_items(
    account: Account,
    stored_subscription: Json,
    given: list[dict[str, Any]],
    *,
    behavior: str,
    date: int | None,
) -> Json | None:
    """Replace the items; return the invoice if the change makes one at once.

    A new interval begins a new period now and is charged now, as on Stripe.
    """
    changes = _changes(account, stored_subscription, given)
    items = [change.after for change in changes if change.after]
    if not items:
        raise errors.refused("A subscription must have at least one item.")
    prices = [account.get("price", item["price"]) for item in items]
    beginning.check_together(prices)
    restarts = _interval(account, stored_subscription["items"]["data"][0]) != _interval(
        account, items[0]
    )
    trial = stored_subscription["status"] == "trialing"
    if behavior != "none" and not trial:
        prorate(
            account,
            stored_subscription,
            changes,
            date or account.now(),
            debit=not restarts,
        )
    stored_subscription["items"]["data"] = items
    if restarts and not trial:
        return restart(account, stored_subscription)
    if behavior == "always_invoice" and any(change.matters for change in changes):
        return _invoice_now(account, stored_subscription, [])
    return None


def _changes(
    account: Account, stored_subscription: Json, given: list[dict[str, Any]]
) -> list[Change]:
    """Return every item, changed or not, in its former order."""
    items = {item["id"]: item for item in stored_subscription["items"]["data"]}
    changes = {name: Change(item, item) for name, item in items.items()}
    for number, one in enumerate(given):
        name = one.get("id")
        if name is None:
            added = _added(account, stored_subscription, one, number)
            changes[added["id"]] = Change(None, added)
        elif name not in items:
            raise errors.no_such(
                "subscription_item", name, param=f"items[{number}][id]"
            )
        elif one.get("deleted"):
            changes[name] = Change(items[name], None)
        else:
            changes[name] = Change(
                items[name], _changed(account, items[name], one, number)
            )
    return list(changes.values())


def _added(
    account: Account, stored_subscription: Json, one: dict[str, Any], number: int
) -> Json:
    if not one.get("price"):
        raise errors.missing(f"items[{number}][price]")
    price = catalog.usable(account, one["price"], param=f"items[{number}][price]")
    beginning.check_together([price])
    quantity = beginning.quantity_of(price, one, param=f"items[{number}][quantity]")
    like = stored_subscription["items"]["data"][0]
    return shapes.item(
        account.now(),
        current_period_start=like["current_period_start"],
        current_period_end=like["current_period_end"],
        price=one["price"],
        **quantity,
        metadata=params.merged({}, one.get("metadata", {})),
        subscription=stored_subscription["id"],
    )


def _changed(account: Account, item: Json, one: dict[str, Any], number: int) -> Json:
    after = dict(item)
    if one.get("price"):
        param = f"items[{number}][price]"
        after["price"] = catalog.usable(account, one["price"], param=param)["id"]
    price = account.get("price", after["price"])
    given = {"quantity": after.get("quantity"), **one}
    after.pop("quantity", None)
    if price["recurring"]["usage_type"] == "metered" and "quantity" not in one:
        given = {}
    after |= beginning.quantity_of(price, given, param=f"items[{number}][quantity]")
    if "metadata" in one:
        after["metadata"] = params.merged(item["metadata"], one["metadata"])
    return after


def _interval(account: Account, item: Json) -> tuple[str, int]:
    recurring = account.get("price", item["price"])["recurring"]
    return recurring["interval"], recurring["interval_count"]


def restart(account: Account, stored_subscription: Json) -> Json:
    """Start a period now and charge it: for a new interval, or a trial that ended."""
    now = account.now()
    stored_subscription["billing_cycle_anchor"] = now
    for item in stored_subscription["items"]["data"]:
        start, end = periods.period_at(now, *_interval(account, item), now)
        item |= {"current_period_start": start, "current_period_end": end}
    return _invoice_now(
        account, stored_subscription, stored_subscription["items"]["data"]
    )


def _invoice_now(
    account: Account, stored_subscription: Json, items: list[Json]
) -> Json:
    now = account.now()
    draft = drafts.of_subscription(
        account,
        stored_subscription,
        "subscription_update",
        [
            drafts.subscription_line(account, stored_subscription, item)
            for item in items
        ],
        auto_advance=True,
        period_start=now,
        period_end=now,
    )
    account.store.put(stored_subscription)
    if stored_subscription["collection_method"] == "charge_automatically":
        collecting.finalize(account, draft)
        collecting.collect(account, draft)
        stored_subscription["status"] = account.get(
            "subscription", stored_subscription["id"]
        )["status"]
    return draft


def change_trial(
    account: Account, stored_subscription: Json, ends: int | str | None
) -> None:
    """`now` ends it and charges; a later instant moves the renewal there."""
    now = account.now()
    if ends in {"now", None}:
        if stored_subscription["status"] == "trialing":
            stored_subscription |= {"trial_end": now, "status": "active"}
            restart(account, stored_subscription)
        return
    ends = int(ends or 0)
    if ends <= now:
        raise errors.invalid("trial_end", "Invalid timestamp: must be in the future")
    if stored_subscription["status"] != "trialing":
        items = stored_subscription["items"]["data"]
        prorate(
            account,
            stored_subscription,
            [Change(one, None) for one in items],
            now,
            debit=False,
        )
        stored_subscription["trial_start"] = now
    stored_subscription |= {
        "status": "trialing",
        "trial_end": ends,
        "billing_cycle_anchor": ends,
    }
    stored_subscription["_warned"] = False
    for item in stored_subscription["items"]["data"]:
        if stored_subscription["trial_start"] == now:
            item["current_period_start"] = now
        item["current_period_end"] = ends


def renew(account: Account, stored_subscription: Json) -> None:
    """Start the next period and draft its invoice."""
    items = stored_subscription["items"]["data"]
    past = items[0]["current_period_start"], items[0]["current_period_end"]
    for item in items:
        end = item["current_period_end"]
        anchor = stored_subscription["billing_cycle_anchor"]
        _, later = periods.period_at(anchor, *_interval(account, item), end)
        item |= {"current_period_start": end, "current_period_end": later}
    if stored_subscription["cancel_at_period_end"]:
        stored_subscription["cancel_at"] = items[0]["current_period_end"]
    if stored_subscription["status"] == "trialing":
        stored_subscription["status"] = "active"
    priced = (stored_subscription["pause_collection"] or {}).get(
        "behavior"
    ) == "keep_as_draft"
    drafts.of_subscription(
        account,
        stored_subscription,
        "subscription_cycle",
        [
            drafts.subscription_line(account, stored_subscription, item)
            for item in items
        ],
        auto_advance=not priced,
        period_start=past[0],
        period_end=past[1],
    )
    account.change(stored_subscription, "customer.subscription.updated")


def upcoming(account: Account, stored_subscription: Json) -> Json:
    """Return the draft of the next renewal, made in a transaction that is undone."""
    ends = min(
        item["current_period_end"] for item in stored_subscription["items"]["data"]
    )
    with account.at(ends):
        renew(account, stored_subscription)
    return account.get("invoice", stored_subscription["latest_invoice"])


def end(
    account: Account,
    stored_subscription: Json,
    *,
    scheduled: bool = False,
    invoice: bool = False,
) -> Json:
    """Cancel now; pending prorations are void unless it was planned or `invoice`."""
    now = account.now()
    if scheduled or invoice:
        _last_invoice(account, stored_subscription)
    else:
        _drop_prorations(account, stored_subscription)
    _stop_collecting(account, stored_subscription)
    stored_subscription |= {
        "canceled_at": stored_subscription["canceled_at"] or now,
        "cancellation_details": stored_subscription["cancellation_details"]
        | {"reason": "cancellation_requested"},
        "ended_at": now,
        "pause_collection": None,
        "status": "canceled",
    }
    return account.change(stored_subscription, "customer.subscription.deleted")


def _last_invoice(account: Account, stored_subscription: Json) -> None:
    """Make the last invoice of a subscription if invoice items are pending."""
    if not drafts.pending(
        account,
        stored_subscription["customer"],
        stored_subscription["currency"],
        stored_subscription["id"],
    ):
        return
    item = stored_subscription["items"]["data"][0]
    drafts.of_subscription(
        account,
        stored_subscription,
        "subscription_cycle",
        [],
        auto_advance=True,
        period_start=item["current_period_start"],
        period_end=account.now(),
    )


def _drop_prorations(account: Account, stored_subscription: Json) -> None:
    for item in account.store.select(
        "kind = 'invoiceitem' and subscription = ? and invoice is null",
        (stored_subscription["id"],),
    ):
        if item["proration"]:
            account.store.remove(item["id"])
            account.emit("invoiceitem.deleted", item)


def _stop_collecting(account: Account, stored_subscription: Json) -> None:
    """Open invoices of an ended subscription are not tried again."""
    for invoice in account.store.select(
        "kind = 'invoice' and subscription = ? and status = 'open'",
        (stored_subscription["id"],),
    ):
        stopped = {"auto_advance": False, "next_payment_attempt": None}
        account.change(invoice | stopped, "invoice.updated")
