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
    found: Json,
    given: list[dict[str, Any]],
    *,
    behavior: str,
    date: int | None,
) -> Json | None:
    """New items in place; the invoice, where the change makes one at once.

    A new interval begins a new period now and is charged now, as on Stripe.
    """
    changes = _changes(account, found, given)
    items = [change.after for change in changes if change.after]
    if not items:
        raise errors.refused("A subscription must have at least one item.")
    prices = [account.get("price", item["price"]) for item in items]
    beginning.check_together(prices)
    restarts = _interval(account, found["items"]["data"][0]) != _interval(
        account, items[0]
    )
    trial = found["status"] == "trialing"
    if behavior != "none" and not trial:
        prorate(account, found, changes, date or account.now(), debit=not restarts)
    found["items"]["data"] = items
    if restarts and not trial:
        return restart(account, found)
    if behavior == "always_invoice" and any(change.matters for change in changes):
        return _invoice_now(account, found, [])
    return None


def _changes(
    account: Account, found: Json, given: list[dict[str, Any]]
) -> list[Change]:
    """Every item, changed or not, in the order they were."""
    items = {item["id"]: item for item in found["items"]["data"]}
    changes = {name: Change(item, item) for name, item in items.items()}
    for number, one in enumerate(given):
        name = one.get("id")
        if name is None:
            added = _added(account, found, one, number)
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


def _added(account: Account, found: Json, one: dict[str, Any], number: int) -> Json:
    if not one.get("price"):
        raise errors.missing(f"items[{number}][price]")
    catalog.usable(account, one["price"], param=f"items[{number}][price]")
    like = found["items"]["data"][0]
    return shapes.item(
        account.now(),
        current_period_start=like["current_period_start"],
        current_period_end=like["current_period_end"],
        price=one["price"],
        quantity=1 if one.get("quantity") is None else one["quantity"],
        metadata=params.merged({}, one.get("metadata", {})),
        subscription=found["id"],
    )


def _changed(account: Account, item: Json, one: dict[str, Any], number: int) -> Json:
    after = dict(item)
    if one.get("price"):
        param = f"items[{number}][price]"
        after["price"] = catalog.usable(account, one["price"], param=param)["id"]
    if one.get("quantity") is not None:
        after["quantity"] = one["quantity"]
    if "metadata" in one:
        after["metadata"] = params.merged(item["metadata"], one["metadata"])
    return after


def _interval(account: Account, item: Json) -> tuple[str, int]:
    recurring = account.get("price", item["price"])["recurring"]
    return recurring["interval"], recurring["interval_count"]


def restart(account: Account, found: Json) -> Json:
    """A new period from now, charged now: a new interval, or a trial that was ended."""
    now = account.now()
    found["billing_cycle_anchor"] = now
    for item in found["items"]["data"]:
        start, end = periods.period_at(now, *_interval(account, item), now)
        item |= {"current_period_start": start, "current_period_end": end}
    return _invoice_now(account, found, found["items"]["data"])


def _invoice_now(account: Account, found: Json, items: list[Json]) -> Json:
    now = account.now()
    draft = drafts.of_subscription(
        account,
        found,
        "subscription_update",
        [drafts.subscription_line(account, found, item) for item in items],
        auto_advance=True,
        period_start=now,
        period_end=now,
    )
    account.store.put(found)
    if found["collection_method"] == "charge_automatically":
        collecting.finalize(account, draft)
        collecting.collect(account, draft)
        found["status"] = account.get("subscription", found["id"])["status"]
    return draft


def change_trial(account: Account, found: Json, ends: int | str | None) -> None:
    """`now` ends it and charges; a later instant moves the renewal there."""
    now = account.now()
    if ends in {"now", None}:
        if found["status"] == "trialing":
            found |= {"trial_end": now, "status": "active"}
            restart(account, found)
        return
    ends = int(ends or 0)
    if ends <= now:
        raise errors.invalid("trial_end", "Invalid timestamp: must be in the future")
    if found["status"] != "trialing":
        items = found["items"]["data"]
        prorate(account, found, [Change(one, None) for one in items], now, debit=False)
        found["trial_start"] = now
    found |= {"status": "trialing", "trial_end": ends, "billing_cycle_anchor": ends}
    found["_warned"] = False
    for item in found["items"]["data"]:
        if found["trial_start"] == now:
            item["current_period_start"] = now
        item["current_period_end"] = ends


def renew(account: Account, found: Json) -> None:
    """The next period, and a draft of the past one with the next one's charge."""
    items = found["items"]["data"]
    past = items[0]["current_period_start"], items[0]["current_period_end"]
    for item in items:
        end = item["current_period_end"]
        anchor = found["billing_cycle_anchor"]
        _, later = periods.period_at(anchor, *_interval(account, item), end)
        item |= {"current_period_start": end, "current_period_end": later}
    if found["cancel_at_period_end"]:
        found["cancel_at"] = items[0]["current_period_end"]
    if found["status"] == "trialing":
        found["status"] = "active"
    kept = (found["pause_collection"] or {}).get("behavior") == "keep_as_draft"
    drafts.of_subscription(
        account,
        found,
        "subscription_cycle",
        [drafts.subscription_line(account, found, item) for item in items],
        auto_advance=not kept,
        period_start=past[0],
        period_end=past[1],
    )
    account.change(found, "customer.subscription.updated")


def upcoming(account: Account, found: Json) -> Json:
    """The draft the next renewal would make; run in a transaction that is undone."""
    ends = min(item["current_period_end"] for item in found["items"]["data"])
    with account.at(ends):
        renew(account, found)
    return account.get("invoice", found["latest_invoice"])


def end(
    account: Account, found: Json, *, scheduled: bool = False, invoice: bool = False
) -> Json:
    """Canceled now; waiting prorations are void unless it was planned or `invoice`."""
    now = account.now()
    if scheduled or invoice:
        _last_invoice(account, found)
    else:
        _drop_prorations(account, found)
    _stop_collecting(account, found)
    found |= {
        "canceled_at": found["canceled_at"] or now,
        "cancellation_details": found["cancellation_details"]
        | {"reason": "cancellation_requested"},
        "ended_at": now,
        "pause_collection": None,
        "status": "canceled",
    }
    return account.change(found, "customer.subscription.deleted")


def _last_invoice(account: Account, found: Json) -> None:
    """Only where something waits to be on it."""
    if not drafts.pending(account, found["customer"], found["currency"], found["id"]):
        return
    item = found["items"]["data"][0]
    drafts.of_subscription(
        account,
        found,
        "subscription_cycle",
        [],
        auto_advance=True,
        period_start=item["current_period_start"],
        period_end=account.now(),
    )


def _drop_prorations(account: Account, found: Json) -> None:
    for item in account.store.select(
        "kind = 'invoiceitem' and subscription = ? and invoice is null", (found["id"],)
    ):
        if item["proration"]:
            account.store.remove(item["id"])
            account.emit("invoiceitem.deleted", item)


def _stop_collecting(account: Account, found: Json) -> None:
    """Open invoices of an ended subscription are not tried again."""
    for invoice in account.store.select(
        "kind = 'invoice' and subscription = ? and status = 'open'", (found["id"],)
    ):
        stopped = {"auto_advance": False, "next_payment_attempt": None}
        account.change(invoice | stopped, "invoice.updated")
