"""Objects as each API version shows them. Stored is the newest; older ones are made.

Three shapes: before Basil (2025-03-31) the period is on the subscription and invoices
name `subscription`; from Basil on, items and `parent` do; since Clover (2025-09-30)
subscriptions say their `billing_mode` in full and have `billing_schedules`.
"""

from collections.abc import Callable
from typing import Any

from config.dev.fakestripe.store import Json

NEWEST = "2026-10-28.endive"
BASIL, CLOVER = "2025-03-31", "2025-09-30"
KNOWN = {
    "2020-08-27",
    "2022-08-01",
    "2022-11-15",
    "2023-08-16",
    "2023-10-16",
    "2024-04-10",
    "2024-06-20",
    "2024-09-30.acacia",
    "2024-10-28.acacia",
    "2024-11-20.acacia",
    "2024-12-18.acacia",
    "2025-01-27.acacia",
    "2025-02-24.acacia",
    "2025-03-31.basil",
    "2025-04-30.basil",
    "2025-05-28.basil",
    "2025-06-30.basil",
    "2025-07-30.basil",
    "2025-08-27.basil",
    "2025-09-30.clover",
    "2025-10-29.clover",
    "2025-11-17.clover",
    "2025-12-15.clover",
    "2026-06-24.dahlia",
    "2026-09-30.endive",
    NEWEST,
}
_SHOWN_LINES = _SHOWN_ITEMS = 10

Prices = Callable[[str], Json | None]


def shown(body: Json) -> Json:
    return {key: value for key, value in body.items() if key[:1] != "_"}


def difference(old: Json, new: Json) -> Json:
    """Return `previous_attributes`: the old values of what changed, by key."""
    body: Json = {}
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            body[key] = difference(before, after)
        else:
            body[key] = before
    return body


def render(body: Json, version: str, prices: Prices, base_url: str) -> Json:
    """Return the object in an older version; `prices` returns a price by its id."""
    if body.get("deleted"):
        return {key: body[key] for key in ("id", "object", "deleted")}
    show = _SHOWS.get(body["object"])
    body = shown(body)
    return show(body, version, prices, base_url) if show else body


def plan_of(price: Json) -> Json:
    """Return the legacy `plan` of a recurring price."""
    recurring = price["recurring"] or {}
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring.get("interval", "month"),
        "interval_count": recurring.get("interval_count", 1),
        "livemode": False,
        "metadata": price["metadata"],
        "meter": recurring.get("meter"),
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": recurring.get("usage_type", "licensed"),
    }


def _price(body: Json, version: str, prices: Prices, base_url: str) -> Json:
    if version < BASIL and body["recurring"]:
        body["recurring"] = {**body["recurring"], "aggregate_usage": None}
    return body


def _item(body: Json, version: str, prices: Prices, base_url: str) -> Json:
    price = prices(body["price"])
    body |= {"price": price, "plan": plan_of(price) if price else None}
    if price and version < BASIL:
        body["price"] = _price(dict(price), version, prices, base_url)
        body["plan"]["aggregate_usage"] = None
    if version < BASIL:
        del body["current_period_start"], body["current_period_end"]
    return body


def _subscription(body: Json, version: str, prices: Prices, base_url: str) -> Json:
    periods = [
        (item["current_period_start"], item["current_period_end"])
        for item in body["items"]["data"]
    ]
    items = [
        _item(dict(item), version, prices, base_url) for item in body["items"]["data"]
    ]
    body["items"] = {
        **body["items"],
        "data": items[:_SHOWN_ITEMS],
        "has_more": len(items) > _SHOWN_ITEMS,
    }
    if version < CLOVER:
        del body["billing_schedules"], body["billing_mode"]
    if version < BASIL:
        body["items"]["total_count"] = len(items)
        single = items[0] if len(items) == 1 else {}
        body |= {
            "current_period_start": max((one[0] for one in periods), default=None),
            "current_period_end": min((one[1] for one in periods), default=None),
            "discount": None,
            "plan": single.get("plan"),
            "quantity": single.get("quantity"),
        }
    return body


def _invoice(body: Json, version: str, prices: Prices, base_url: str) -> Json:
    lines = body["lines"]["data"]
    body["lines"] = {
        **body["lines"],
        "data": [
            _line(dict(line), version, prices, base_url)
            for line in lines[:_SHOWN_LINES]
        ],
        "has_more": len(lines) > _SHOWN_LINES,
    }
    if body["hosted_invoice_url"]:
        body["hosted_invoice_url"] = f"{base_url}/i/{body['id']}"
        body["invoice_pdf"] = f"{base_url}/i/{body['id']}/pdf"
    if version < BASIL:
        _make_old_invoice(body, lines)
    return body


def _make_old_invoice(body: Json, lines: list[Json]) -> None:
    details = (body.pop("parent") or {}).get("subscription_details")
    body["lines"]["total_count"] = len(lines)
    for name in ("total_taxes", "amount_overpaid"):
        del body[name]
    body |= {
        "application_fee_amount": None,
        "charge": None,
        "discount": None,
        "paid": body["status"] == "paid",
        "paid_out_of_band": False,
        "payment_intent": None,
        "quote": None,
        "subscription": details["subscription"] if details else None,
        "subscription_details": {"metadata": details["metadata"] if details else None},
        "tax": None,
        "total_tax_amounts": [],
        "transfer_data": None,
    }


def _line(body: Json, version: str, prices: Prices, base_url: str) -> Json:
    if version < BASIL:
        parent, pricing = body.pop("parent") or {}, body.pop("pricing")
        of_item = parent.get("subscription_item_details") or {}
        of_invoice = parent.get("invoice_item_details") or {}
        _add_old_price(body, pricing, prices)
        del body["taxes"], body["subtotal"], body["quantity_decimal"]
        body |= {
            "amount_excluding_tax": body["amount"],
            "invoice_item": of_invoice.get("invoice_item"),
            "proration": (of_item or of_invoice).get("proration", False),
            "proration_details": {"credited_items": None},
            "subscription_item": of_item.get("subscription_item"),
            "tax_amounts": [],
            "tax_rates": [],
            "type": "subscription" if of_item else "invoiceitem",
        }
    return body


def _invoiceitem(body: Json, version: str, prices: Prices, base_url: str) -> Json:
    if version < BASIL:
        parent, pricing = body.pop("parent") or {}, body.pop("pricing")
        details = parent.get("subscription_details") or {}
        _add_old_price(body, pricing, prices)
        del body["net_amount"], body["quantity_decimal"]
        body |= {
            "subscription": details.get("subscription"),
            "subscription_item": details.get("subscription_item"),
        }
        if body["quantity"] == 1:
            amount = body["amount"]
            body |= {"unit_amount": amount, "unit_amount_decimal": str(amount)}
    return body


def _add_old_price(body: Json, pricing: Json | None, prices: Prices) -> None:
    details = (pricing or {}).get("price_details") or {}
    price = prices(details["price"]) if details else None
    body |= {
        "plan": plan_of(price) if price and price["recurring"] else None,
        "price": _price(dict(price), "", _no_price, "") if price else None,
    }
    if body["plan"]:
        body["plan"]["aggregate_usage"] = None


def _no_price(name: str) -> Json | None:
    """Return nothing: a price refers to no other price."""
    return None


def _event(body: Json, version: str, prices: Prices, base_url: str) -> Json:
    """Return the event; its object stays in the version it was made in."""
    made_in = body["api_version"] or version
    inner = render(dict(body["data"]["object"]), made_in, prices, base_url)
    return body | {"data": {**body["data"], "object": inner}}


_SHOWS: dict[str, Callable[[Json, str, Prices, str], Any]] = {
    "price": _price,
    "subscription": _subscription,
    "subscription_item": _item,
    "invoice": _invoice,
    "line_item": _line,
    "invoiceitem": _invoiceitem,
    "event": _event,
}
