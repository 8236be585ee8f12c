"""Invoice items: put on the draft that is named, or waiting for the next one."""

from fractions import Fraction
from typing import Any

from config.dev.fakestripe import (
    catalog,
    customers,
    drafts,
    errors,
    lists,
    params,
    periods,
    shapes,
)
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.calls import Call
from config.dev.fakestripe.store import Json

_PERIOD = params.fields(
    {"start": params.instant, "end": params.instant}, required=["start", "end"]
)
_FIELDS: params.Spec = {
    "amount": params.amount,
    "description": params.text,
    "discountable": params.boolean,
    "metadata": params.metadata,
    "period": _PERIOD,
    "pricing": params.fields({"price": params.text}, required=["price"]),
    "quantity": params.quantity,
    "tax_behavior": params.text,
    "tax_code": params.text,
    "unit_amount_decimal": params.decimal,
}
_NEW = _FIELDS | {
    "currency": params.currency,
    "customer": params.text,
    "invoice": params.text,
    "subscription": params.text,
}


def create(account: Account, call: Call) -> Json:
    given = params.read(call.tree, _NEW, required=["customer"])
    customer = customers.live(account, given["customer"], param="customer")
    draft = _draft(account, given)
    item = shapes.invoiceitem(account.now(), **_priced(account, given, customer))
    # Discounts do not apply to what gives money back, unless that is asked for.
    item["discountable"] = given.get("discountable", item["amount"] >= 0)
    item["metadata"] = params.merged({}, given.get("metadata", {}))
    item["parent"] = _parent(account, given)
    account.add(item, "invoiceitem.created")
    if draft:
        _put_on(account, draft, item)
    return item


def _draft(account: Account, given: dict[str, Any]) -> Json | None:
    if not given.get("invoice"):
        return None
    draft = account.get("invoice", given["invoice"], param="invoice")
    if draft["customer"] != given["customer"]:
        raise errors.refused(
            "The invoice belongs to another customer.", param="invoice"
        )
    _must_be_draft(draft)
    given.setdefault("currency", draft["currency"])
    if draft["currency"] != given["currency"]:
        raise errors.refused(
            f"The invoice's currency is {draft['currency']}.", param="currency"
        )
    return draft


def _must_be_draft(draft: Json) -> None:
    if draft["status"] != "draft":
        raise errors.refused(
            "This invoice is no longer editable.",
            code="invoice_not_editable",
            param="invoice",
        )


def _priced(account: Account, given: dict[str, Any], customer: Json) -> dict[str, Any]:
    """Return the amount of an item: as given, by a price, or in minor-unit decimals."""
    quantity = given.get("quantity", 1)
    amounts = {
        key: value
        for key, value in given.items()
        if key in {"customer", "currency", "description", "discountable", "invoice"}
        or (key == "period" and value)
    }
    if pricing := given.get("pricing"):
        price = catalog.usable(account, pricing["price"], param="pricing[price]")
        amount = drafts.amount_of(price, quantity)
        amounts |= {
            "currency": price["currency"],
            "pricing": shapes.priced(price),
        }
    elif given.get("unit_amount_decimal") is not None:
        unit = Fraction(given["unit_amount_decimal"])
        amount = periods.rounded(unit * quantity)
    elif given.get("amount") is not None:
        amount = given["amount"]
    else:
        raise errors.missing("amount")
    currency = amounts.get("currency") or customer["currency"]
    if not currency:
        raise errors.missing("currency")
    return amounts | {
        "amount": amount,
        "currency": currency,
        "quantity": quantity,
    }


def _parent(account: Account, given: dict[str, Any]) -> Json | None:
    if not given.get("subscription"):
        return None
    item = account.get("subscription", given["subscription"], param="subscription")
    details = {"subscription": item["id"], "subscription_item": None}
    return {"subscription_details": details, "type": "subscription_details"}


def _put_on(account: Account, draft: Json, item: Json) -> None:
    draft["lines"]["data"].append(drafts.item_line(item))
    _recount(account, draft)


def _recount(account: Account, draft: Json) -> None:
    drafts.recount(draft, account.get("customer", draft["customer"]))
    account.change(draft, "invoice.updated")


def retrieve(account: Account, call: Call) -> Json:
    params.read(call.tree, {})
    return account.get("invoiceitem", call.ids[0])


def update(account: Account, call: Call) -> Json:
    given = params.read(call.tree, _FIELDS)
    item = account.get("invoiceitem", call.ids[0])
    draft = _its_draft(account, item)
    if "metadata" in given:
        item["metadata"] = params.merged(item["metadata"], given.pop("metadata"))
    if given.keys() & {"amount", "pricing", "unit_amount_decimal", "quantity"}:
        given.setdefault("amount", item["amount"])
        customer = account.get("customer", item["customer"])
        given |= _priced(account, {"currency": item["currency"]} | given, customer)
        given["quantity_decimal"] = str(given["quantity"])
        given["net_amount"] = given["amount"]
    item |= {key: value for key, value in given.items() if key in item}
    account.change(item)
    if draft:
        _take_off(draft, item)
        _put_on(account, draft, item)
    return item


def delete(account: Account, call: Call) -> Json:
    item = account.get("invoiceitem", call.ids[0])
    draft = _its_draft(account, item)
    account.store.remove(item["id"])
    account.emit("invoiceitem.deleted", item)
    if draft:
        _take_off(draft, item)
        _recount(account, draft)
    return {"id": item["id"], "object": "invoiceitem", "deleted": True}


def _its_draft(account: Account, item: Json) -> Json | None:
    if not item["invoice"]:
        return None
    draft = account.get("invoice", item["invoice"])
    _must_be_draft(draft)
    return draft


def _take_off(draft: Json, item: Json) -> None:
    draft["lines"]["data"] = [
        line
        for line in draft["lines"]["data"]
        if (line["parent"]["invoice_item_details"] or {}).get("invoice_item")
        != item["id"]
    ]


def list_(account: Account, call: Call) -> Json:
    spec = {
        "customer": params.text,
        "invoice": params.text,
        "pending": params.boolean,
    }
    given = params.read(call.tree, lists.PAGING | lists.CREATED | spec)
    filters = lists.Filter()
    filters.equal(given, "customer", "invoice")
    if given.get("pending") is not None:
        filters.add("invoice is null" if given["pending"] else "invoice is not null")
    filters.span(given)
    return lists.page(account, "invoiceitem", "/v1/invoiceitems", given, filters)
