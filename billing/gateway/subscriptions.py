from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from billing.gateway import calls
from billing.gateway.reading import Node
from billing.gateway.shapes import PAUSE_REASON, Invoice, Page, Subscription

Proration = Literal["create_prorations", "always_invoice", "none"]


def get_subscription(id_: str) -> Subscription:
    return _read(calls.get(_place(id_)))


def list_subscriptions(
    *,
    after: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    customer_id: str = "",
) -> Page[Subscription]:
    """In any status, the canceled too."""
    return calls.page(
        "/v1/subscriptions",
        Subscription.read,
        status="all",
        customer=customer_id or None,
        **calls.window(after=after, since=since, until=until),
    )


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
    """Charged automatically, unless `days_until_due` says that invoices are sent."""
    item = {"price": price_id, "quantity": quantity}
    sent = {"collection_method": "send_invoice", "days_until_due": days_until_due}
    params = {
        "customer": customer_id,
        "items": [_without_nulls(item)],
        "trial_end": calls.timestamp(trial_ends_at),
        "metadata": dict(metadata or {}),
        **(sent if days_until_due is not None else {}),
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
    """Change what is given and nothing else; a new price needs its item's id.

    `proration_at` is the instant of the preview, so that what was shown is charged.
    """
    params: dict[str, Any] = {"metadata": dict(metadata or {})}
    if item_id:
        params |= _changes(item_id, price_id, quantity, proration, proration_at)
    if trial_ends_at is not None:
        params["trial_end"] = calls.timestamp(trial_ends_at)
        params["proration_behavior"] = "none"
    if cancels_at is not None:
        is_never = cancels_at == "never"
        params["cancel_at"] = "" if is_never else calls.timestamp(cancels_at)
    return _read(calls.post(_place(id_), key=key, **params))


def pause_subscription(id_: str, *, reason: str, key: str) -> Subscription:
    """Its invoices are void while it lasts; the reason is kept beside it."""
    params = {
        "pause_collection": {"behavior": "void"},
        "metadata": {PAUSE_REASON: reason[:200]},
    }
    return _read(calls.post(_place(id_), key=key, **params))


def resume_subscription(id_: str, *, key: str) -> Subscription:
    """Empty texts are how Stripe is told to forget."""
    params = {"pause_collection": "", "metadata": {PAUSE_REASON: ""}}
    return _read(calls.post(_place(id_), key=key, **params))


def preview_change(
    id_: str,
    *,
    item_id: str,
    at: datetime,
    price_id: str = "",
    quantity: int | None = None,
    proration: Proration = "create_prorations",
) -> Invoice:
    """The next invoice as it would be; its prorations are the lines that say so."""
    details = _changes(item_id, price_id, quantity, proration, at)
    params = {"subscription": id_, "subscription_details": details}
    # It writes nothing: no key, so that nothing is replayed from an earlier day.
    answer = calls.post("/v1/invoices/create_preview", key="", **params)
    return Invoice.read(answer.named("invoice"))


def _changes(
    item_id: str,
    price_id: str,
    quantity: int | None,
    proration: Proration,
    at: datetime | None,
) -> dict[str, Any]:
    item = {"id": item_id, "price": price_id or None, "quantity": quantity}
    changes = {
        "items": [_without_nulls(item)],
        "proration_behavior": proration,
        "proration_date": None if proration == "none" else calls.timestamp(at),
    }
    return _without_nulls(changes)


def _without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _place(id_: str) -> str:
    return calls.place("subscriptions", id_)


def _read(answer: Node) -> Subscription:
    return Subscription.read(answer.named("subscription"))
