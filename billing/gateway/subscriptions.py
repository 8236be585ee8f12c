"""Subscriptions of the Stripe account."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from billing.gateway import calls
from billing.gateway.errors import Malformed
from billing.gateway.nodes import Node
from billing.gateway.objects import (
    PAUSE_REASON,
    Invoice,
    Page,
    Subscription,
    SubscriptionItem,
)

Proration = Literal["create_prorations", "always_invoice", "none"]


def get_subscription(id_: str) -> Subscription:
    """Return a subscription with all its items."""
    with calls.object_of(id_):
        subscription = _read(calls.get(_path(id_)))
    return _with_all_items(subscription)


def _with_all_items(subscription: Subscription) -> Subscription:
    """Fetch the items that an answer left out; it has the first ten at least."""
    if not subscription.has_more_items:
        return subscription
    with calls.part_of(subscription.id, subscription.customer_id):
        items = tuple(_list_items(subscription.id))
    return replace(subscription, items=items, has_more_items=False)


def _list_items(id_: str) -> Iterator[SubscriptionItem]:
    path, read = "/v1/subscription_items", SubscriptionItem.read
    return calls.all_items(path, read, subscription=id_)


def list_subscriptions(
    *,
    after: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    customer_id: str = "",
) -> Page[Subscription]:
    """Return a page of subscriptions in any status, newest first, with all items.

    One of which an item cannot be read is malformed as a whole.
    """
    page = calls.page(
        "/v1/subscriptions",
        Subscription.read,
        status="all",
        customer=customer_id or None,
        **calls.list_parameters(after=after, since=since, until=until),
    )
    items: list[Subscription] = []
    malformed = list(page.malformed)
    for subscription in page.items:
        try:
            items.append(_with_all_items(subscription))
        except Malformed as error:
            malformed.append(error)
    return replace(page, items=tuple(items), malformed=tuple(malformed))


def create_subscription(
    customer_id: str,
    *,
    price_id: str,
    key: str,
    quantity: int | None = None,
    trial_ends_at: datetime | None = None,
    days_until_due: int | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Subscription:
    """Create a subscription, once per idempotency key.

    Stripe charges it automatically; with `days_until_due` it emails invoices instead.
    """
    item = {"price": price_id, "quantity": quantity}
    by_invoice = {"collection_method": "send_invoice", "days_until_due": days_until_due}
    params = {
        "customer": customer_id,
        "items": [_without_nulls(item)],
        "trial_end": calls.timestamp(trial_ends_at),
        "metadata": dict(metadata or {}),
        **(by_invoice if days_until_due is not None else {}),
    }
    return _read(calls.post("/v1/subscriptions", key=key, **params))


def update_subscription(
    id_: str,
    *,
    key: str,
    item_id: str = "",
    price_id: str = "",
    quantity: int | None = None,
    proration: Proration = "create_prorations",
    proration_at: datetime | None = None,
    trial_ends_at: datetime | Literal["now"] | None = None,
    cancels_at: datetime | Literal["never"] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Subscription:
    """Change the fields that are not null; a new price needs the item's id.

    `proration_at` is the instant of the preview, so that Stripe charges what the
    preview showed.
    """
    params: dict[str, Any] = {"metadata": dict(metadata or {})}
    if item_id:
        params |= _item_changes(item_id, price_id, quantity, proration, proration_at)
    if trial_ends_at is not None:
        params["trial_end"] = calls.timestamp(trial_ends_at)
        params["proration_behavior"] = "none"
    if cancels_at is not None:
        is_never = cancels_at == "never"
        params["cancel_at"] = "" if is_never else calls.timestamp(cancels_at)
    return _read(calls.post(_path(id_), key=key, **params))


def pause_subscription(id_: str, *, reason: str, key: str) -> Subscription:
    """Pause collection: Stripe voids invoices until the subscription is resumed.

    The reason is stored in the metadata, cut to 200 characters.
    """
    params = {
        "pause_collection": {"behavior": "void"},
        "metadata": {PAUSE_REASON: reason[:200]},
    }
    return _read(calls.post(_path(id_), key=key, **params))


def resume_subscription(id_: str, *, key: str) -> Subscription:
    """Resume collection and clear the reason; Stripe clears fields set to empty."""
    params = {"pause_collection": "", "metadata": {PAUSE_REASON: ""}}
    return _read(calls.post(_path(id_), key=key, **params))


def preview_change(
    id_: str,
    *,
    item_id: str,
    at: datetime,
    price_id: str = "",
    quantity: int | None = None,
    proration: Proration = "create_prorations",
) -> Invoice:
    """Return the next invoice as a change would make it; nothing is written.

    Lines with `is_proration` are the cost of the change.
    """
    details = _item_changes(item_id, price_id, quantity, proration, at)
    params = {"subscription": id_, "subscription_details": details}
    # Without an idempotency key: Stripe would replay the answer of an earlier preview.
    answer = calls.post("/v1/invoices/create_preview", key="", **params)
    return Invoice.read(answer.as_kind("invoice"))


def _item_changes(
    item_id: str,
    price_id: str,
    quantity: int | None,
    proration: Proration,
    at: datetime | None,
) -> dict[str, Any]:
    """Return the parameters that change a subscription's item."""
    item = {"id": item_id, "price": price_id or None, "quantity": quantity}
    changes = {
        "items": [_without_nulls(item)],
        "proration_behavior": proration,
        "proration_date": None if proration == "none" else calls.timestamp(at),
    }
    return _without_nulls(changes)


def _without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _path(id_: str) -> str:
    return calls.object_path("subscriptions", id_)


def _read(answer: Node) -> Subscription:
    return Subscription.read(answer.as_kind("subscription"))
