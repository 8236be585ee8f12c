"""Handlers of subscriptions."""

from typing import Any

from config.dev.fakestripe import (
    beginning,
    changing,
    customers,
    errors,
    lists,
    params,
    reductions,
)
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.calls import Call
from config.dev.fakestripe.due import OVER
from config.dev.fakestripe.proration import Change, prorate
from config.dev.fakestripe.store import Json

_STATUSES = (
    "active",
    "all",
    "canceled",
    "ended",
    "incomplete",
    "incomplete_expired",
    "past_due",
    "paused",
    "trialing",
    "unpaid",
)
_METHOD = params.choice("charge_automatically", "send_invoice")
PRORATION = params.choice("create_prorations", "always_invoice", "none")
_BEHAVIOR = params.choice(
    "allow_incomplete",
    "default_incomplete",
    "error_if_incomplete",
    "pending_if_incomplete",
)
_NEW_ITEM: params.Spec = {
    "metadata": params.metadata,
    "price": params.text,
    "quantity": params.quantity,
}
_ITEM = _NEW_ITEM | {"deleted": params.boolean, "id": params.text}
ITEMS = params.many(params.fields(_ITEM))
CANCEL_AT = params.either(
    "min_period_end", params.either("max_period_end", params.instant)
)
_END_BEHAVIOR = params.fields(
    {"missing_payment_method": params.choice("cancel", "create_invoice", "pause")},
    required=["missing_payment_method"],
)
_TRIAL = params.fields({"end_behavior": _END_BEHAVIOR}, required=["end_behavior"])
_FIELDS: params.Spec = {
    "cancel_at": CANCEL_AT,
    "cancel_at_period_end": params.boolean,
    "collection_method": _METHOD,
    "days_until_due": params.quantity,
    "default_payment_method": params.text,
    "default_tax_rates": reductions.TAX_RATES,
    "description": params.text,
    "discounts": reductions.DISCOUNTS,
    "metadata": params.metadata,
    "off_session": params.boolean,
    "payment_behavior": _BEHAVIOR,
    "payment_settings": params.anything,
    "proration_behavior": PRORATION,
    "trial_end": params.either("now", params.instant),
    "trial_settings": _TRIAL,
}
_NEW = _FIELDS | {
    "billing_cycle_anchor": params.instant,
    "billing_mode": params.anything,
    "currency": params.currency,
    "customer": params.text,
    "items": params.many(params.fields(_NEW_ITEM, required=["price"])),
    "trial_period_days": params.quantity,
}
_CANCELLATION = params.fields({"comment": params.text, "feedback": params.text})
_PAUSE = params.fields(
    {
        "behavior": params.choice("keep_as_draft", "mark_uncollectible", "void"),
        "resumes_at": params.instant,
    },
    required=["behavior"],
)
_UPDATE = _FIELDS | {
    "billing_cycle_anchor": params.choice("now", "unchanged"),
    "cancellation_details": _CANCELLATION,
    "items": ITEMS,
    "pause_collection": _PAUSE,
    "proration_date": params.instant,
}
# Said about a call, not about the subscription.
_OF_CALL = ("off_session", "payment_settings", "billing_mode", "currency")


def create(account: Account, call: Call) -> Json:
    given = params.read(call.tree, _NEW, required=["customer", "items"])
    customer = customers.live(account, given.pop("customer"), param="customer")
    _check(given)
    for name in _OF_CALL:
        given.pop(name, None)
    given["metadata"] = params.merged({}, given.get("metadata", {}))
    if not given.get("trial_settings"):
        given.pop("trial_settings", None)
    if isinstance(given.get("cancel_at"), str):
        raise errors.invalid("cancel_at", "Invalid timestamp")
    return beginning.begin(account, customer, given)


def _check(given: dict[str, Any]) -> None:
    if given.get("cancel_at") and given.get("cancel_at_period_end"):
        raise errors.invalid(
            "cancel_at_period_end",
            "You may only specify one of these parameters: cancel_at,"
            " cancel_at_period_end.",
        )
    if given.get("days_until_due") is not None and (
        given.get("collection_method", "send_invoice") != "send_invoice"
    ):
        raise errors.invalid(
            "days_until_due", "Only with collection_method=send_invoice"
        )


def retrieve(account: Account, call: Call) -> Json:
    params.read(call.tree, {})
    return account.get("subscription", call.ids[0])


def update(account: Account, call: Call) -> Json:
    given = params.read(call.tree, _UPDATE)
    subscription = account.get("subscription", call.ids[0])
    if subscription["status"] in OVER and given.keys() - {
        "cancellation_details",
        "metadata",
    }:
        raise errors.refused(
            "A canceled subscription can only update its cancellation_details and"
            " metadata."
        )
    return apply(account, subscription, given)


def apply(account: Account, subscription: Json, given: dict[str, Any]) -> Json:
    """Save the subscription with its event, after the invoices the change makes."""
    _check(given)
    for name in _OF_CALL:
        given.pop(name, None)
    given.pop("payment_behavior", None)
    behavior = given.pop("proration_behavior", None) or "create_prorations"
    date = given.pop("proration_date", None)
    _set_words(subscription, given)
    reductions.prepare(account, given, subscription=subscription["id"])
    before = account.get("subscription", subscription["id"])
    if "items" in given:
        items = given.pop("items") or []
        changing.change_items(
            account, subscription, items, behavior=behavior, date=date
        )
    if "trial_end" in given:
        changing.change_trial(account, subscription, given.pop("trial_end"))
    if given.pop("billing_cycle_anchor", None) == "now":
        changing.restart(account, subscription)
    _set_end(account, subscription, given)
    subscription |= given
    account.store.put(before)
    return account.change(subscription, "customer.subscription.updated")


def _set_words(subscription: Json, given: dict[str, Any]) -> None:
    if not given.get("trial_settings"):
        given.pop("trial_settings", None)
    if "metadata" in given:
        given["metadata"] = params.merged(subscription["metadata"], given["metadata"])
    if "cancellation_details" in given:
        changes = given.pop("cancellation_details") or {}
        given["cancellation_details"] = subscription["cancellation_details"] | changes
    if given.get("pause_collection"):
        given["pause_collection"] = {"resumes_at": None} | given["pause_collection"]


def _set_end(account: Account, subscription: Json, given: dict[str, Any]) -> None:
    """Keep `cancel_at`, `cancel_at_period_end` and `canceled_at` consistent."""
    if not given.keys() & {"cancel_at", "cancel_at_period_end"}:
        return
    ends = [item["current_period_end"] for item in subscription["items"]["data"]]
    at = given.get("cancel_at")
    if at in {"min_period_end", "max_period_end"}:
        at = min(ends) if at == "min_period_end" else max(ends)
    if at is not None and at <= account.now():
        raise errors.invalid("cancel_at", "Invalid timestamp: must be in the future")
    at_end = bool(given.get("cancel_at_period_end"))
    planned = at is not None or at_end
    given |= {
        "cancel_at": min(ends) if at_end else at,
        "cancel_at_period_end": at_end,
        "canceled_at": account.now() if planned else None,
    }
    reason = "cancellation_requested" if planned else None
    details = given.get("cancellation_details") or subscription["cancellation_details"]
    given["cancellation_details"] = details | {"reason": reason}


def cancel(account: Account, call: Call) -> Json:
    spec = {
        "cancellation_details": _CANCELLATION,
        "invoice_now": params.boolean,
        "prorate": params.boolean,
    }
    given = params.read(call.tree, spec)
    subscription = account.get("subscription", call.ids[0])
    if subscription["status"] in OVER:
        raise errors.no_such("subscription", subscription["id"])
    _set_words(subscription, given)
    subscription |= (
        {"cancellation_details": given.get("cancellation_details")}
        if (given.get("cancellation_details"))
        else {}
    )
    if given.get("prorate"):
        items = [Change(item, None) for item in subscription["items"]["data"]]
        prorate(account, subscription, items, account.now(), debit=False)
    return changing.end(account, subscription, invoice=bool(given.get("invoice_now")))


def resume(account: Account, call: Call) -> Json:
    """Resume a subscription that is `paused` because its trial could not be paid."""
    spec = {
        "billing_cycle_anchor": params.choice("now", "unchanged"),
        "proration_behavior": PRORATION,
        "payment_behavior": params.text,
    }
    params.read(call.tree, spec)
    subscription = account.get("subscription", call.ids[0])
    if subscription["status"] != "paused":
        raise errors.refused("Only paused subscriptions can be resumed.")
    subscription["status"] = "active"
    changing.restart(account, subscription)
    account.emit("customer.subscription.resumed", subscription)
    return account.change(subscription, "customer.subscription.updated")


def list_(account: Account, call: Call) -> Json:
    spec = {
        "collection_method": _METHOD,
        "customer": params.text,
        "price": params.text,
        "status": params.choice(*_STATUSES),
    }
    given = params.read(call.tree, lists.PAGING | lists.CREATED | spec)
    filters = lists.Filter()
    filters.equal(given, "customer")
    _add_status(filters, given.get("status"))
    if given.get("price"):
        filters.add("instr(price, ?)", f" {given['price']} ")
    if given.get("collection_method"):
        filters.add(
            "json_extract(body, '$.collection_method') = ?", given["collection_method"]
        )
    filters.span(given)
    return lists.page(account, "subscription", "/v1/subscriptions", given, filters)


def _add_status(filters: lists.Filter, status: str | None) -> None:
    """Unless asked for, canceled ones are left out."""
    if status is None:
        filters.add("status <> 'canceled'")
    elif status == "ended":
        filters.add("status in ('canceled', 'incomplete_expired')")
    elif status != "all":
        filters.add("status = ?", status)


def list_items(account: Account, call: Call) -> Json:
    spec = lists.PAGING | {"subscription": params.text}
    given = params.read(call.tree, spec, required=["subscription"])
    subscription = account.get(
        "subscription", given["subscription"], param="subscription"
    )
    return lists.part(subscription["items"]["data"], "/v1/subscription_items", given)
