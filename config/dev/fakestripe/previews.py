"""The invoice a subscription, or a change of one, would make: tried, then undone."""

from typing import Any

from config.dev.fakestripe import (
    beginning,
    changing,
    customers,
    errors,
    params,
    shapes,
    subscriptions,
)
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.calls import Call
from config.dev.fakestripe.due import OVER
from config.dev.fakestripe.store import Json

_ITEM: params.Spec = {
    "amount": params.amount,
    "currency": params.currency,
    "description": params.text,
    "discountable": params.boolean,
    "metadata": params.metadata,
}


class _Undo(Exception):
    """Ends a transaction whose outcome was only looked at."""


def create(account: Account, call: Call) -> Json:
    """Return the next invoice, or the one a change would make; nothing is stored."""
    changes: params.Spec = {
        "billing_cycle_anchor": params.choice("now", "unchanged"),
        "cancel_at": subscriptions.CANCEL_AT,
        "cancel_at_period_end": params.boolean,
        "cancel_now": params.boolean,
        "items": subscriptions.ITEMS,
        "proration_behavior": subscriptions.PRORATION,
        "proration_date": params.instant,
        "trial_end": params.either("now", params.instant),
    }
    spec: params.Spec = {
        "currency": params.currency,
        "customer": params.text,
        "invoice_items": params.many(params.fields(_ITEM)),
        "preview_mode": params.choice("next"),
        "subscription": params.text,
        "subscription_details": params.fields(changes),
    }
    given = params.read(call.tree, spec)
    if not (given.get("customer") or given.get("subscription")):
        raise errors.missing("customer")
    try:
        with account.store.transaction():
            shown = _try(account, given)
            raise _Undo
    except _Undo:
        return shown | {"id": f"upcoming_{shown['id']}", "status": "draft"}


def _try(account: Account, given: dict[str, Any]) -> Json:
    details = given.get("subscription_details") or {}
    details.pop("cancel_now", None)
    if not given.get("subscription"):
        return _try_new(account, given, details)
    subscription = account.get(
        "subscription", given["subscription"], param="subscription"
    )
    if subscription["status"] in OVER:
        raise errors.refused(
            "No upcoming invoices: the subscription has ended",
            code="invoice_upcoming_none",
        )
    for item in given.get("invoice_items") or ():
        _add_item(account, subscription, item)
    last = subscription["latest_invoice"]
    subscription = subscriptions.apply(account, subscription, details)
    if subscription["latest_invoice"] != last:
        return account.get("invoice", subscription["latest_invoice"])
    ends = min(item["current_period_end"] for item in subscription["items"]["data"])
    if subscription["cancel_at"] and subscription["cancel_at"] <= ends:
        raise errors.refused(
            "No upcoming invoices for this subscription", code="invoice_upcoming_none"
        )
    return changing.upcoming(account, subscription)


def _add_item(account: Account, subscription: Json, given: dict[str, Any]) -> None:
    """Let an item wait for the next invoice, as one that was created would."""
    details = {"subscription": subscription["id"], "subscription_item": None}
    parent = {"subscription_details": details, "type": "subscription_details"}
    item = shapes.invoiceitem(
        account.now(),
        customer=subscription["customer"],
        parent=parent,
        **{"currency": subscription["currency"], **given},
    )
    account.add(item, None)


def _try_new(account: Account, given: dict[str, Any], details: dict[str, Any]) -> Json:
    if not details.get("items"):
        raise errors.refused(
            "No upcoming invoices for customer", code="invoice_upcoming_none"
        )
    customer = customers.live(account, given["customer"], param="customer")
    details.pop("billing_cycle_anchor", None)
    subscription = beginning.begin(account, customer, details)
    return account.get("invoice", subscription["latest_invoice"])
