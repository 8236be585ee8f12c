"""Products and prices."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from config.dev.fakestripe import errors, lists, params, shapes
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.calls import Call
from config.dev.fakestripe.store import Json

_PRODUCT: params.Spec = {
    "active": params.boolean,
    "description": params.text,
    "images": params.many(params.text),
    "metadata": params.metadata,
    "name": params.text,
    "shippable": params.boolean,
    "statement_descriptor": params.text,
    "tax_code": params.text,
    "unit_label": params.text,
    "url": params.text,
}
_RECURRING = params.fields(
    {
        "interval": params.choice("day", "week", "month", "year"),
        "interval_count": params.quantity,
        "trial_period_days": params.quantity,
        "meter": params.text,
        "usage_type": params.choice("licensed", "metered"),
    },
    required=["interval"],
)
_LONGEST_CYCLE = {"day": 1095, "week": 156, "month": 36, "year": 3}
_PRICE: params.Spec = {
    "active": params.boolean,
    "lookup_key": params.text,
    "metadata": params.metadata,
    "nickname": params.text,
    "tax_behavior": params.choice("exclusive", "inclusive", "unspecified"),
}
_NEW_PRICE = _PRICE | {
    "billing_scheme": params.choice("per_unit"),
    "currency": params.currency,
    "product": params.text,
    "product_data": params.fields(_PRODUCT | {"id": params.text}, required=["name"]),
    "recurring": _RECURRING,
    "unit_amount": params.amount,
    "unit_amount_decimal": params.decimal,
}


def create_product(account: Account, call: Call) -> Json:
    given = params.read(call.tree, _PRODUCT | {"id": params.text}, required=["name"])
    return _make_product(account, given)


def _make_product(account: Account, given: dict[str, Any]) -> Json:
    if "id" in given and account.store.find("product", given["id"]):
        raise errors.refused(
            f"Product already exists: {given['id']}", code="resource_already_exists"
        )
    metadata = params.merged({}, given.pop("metadata", {}))
    stored = shapes.product(account.now(), metadata=metadata, **given)
    return account.add(stored, "product.created")


def retrieve_product(account: Account, call: Call) -> Json:
    params.read(call.tree, {})
    return account.get("product", call.ids[0])


def update_product(account: Account, call: Call) -> Json:
    given = params.read(call.tree, _PRODUCT | {"default_price": params.text})
    stored = account.get("product", call.ids[0])
    if "metadata" in given:
        given["metadata"] = params.merged(stored["metadata"], given["metadata"])
    given["updated"] = account.now()
    return account.change(stored | given, "product.updated")


def delete_product(account: Account, call: Call) -> Json:
    stored = account.get("product", call.ids[0])
    if account.store.select("kind = 'price' and product = ?", (stored["id"],)):
        raise errors.refused(
            "This product cannot be deleted because it has one or more prices."
        )
    return account.add(stored | {"deleted": True}, "product.deleted")


def list_products(account: Account, call: Call) -> Json:
    spec = {"active": params.boolean, "ids": params.many(params.text)}
    given = params.read(call.tree, lists.PAGING | lists.CREATED | spec)
    filters = lists.Filter()
    _add_active(filters, given)
    if ids := given.get("ids"):
        filters.add(f"id in ({','.join('?' * len(ids))})", *ids)
    filters.span(given)
    return lists.page(account, "product", "/v1/products", given, filters)


def create_price(account: Account, call: Call) -> Json:
    given = params.read(call.tree, _NEW_PRICE, required=["currency"])
    _set_amount(given)
    if data := given.pop("product_data", None):
        given["product"] = _make_product(account, data)["id"]
    if not given.get("product"):
        raise errors.missing("product")
    account.get("product", given["product"], param="product")
    _check_cycle(given.get("recurring"))
    metadata = params.merged({}, given.pop("metadata", {}))
    stored = shapes.price(account.now(), metadata=metadata, **given)
    return account.add(stored, "price.created")


def _check_cycle(recurring: Json | None) -> None:
    """Refuse a cycle of more than three years, and a meter without metered usage."""
    if not recurring:
        return
    count = recurring.get("interval_count", 1)
    if not 1 <= count <= _LONGEST_CYCLE[recurring["interval"]]:
        raise errors.invalid(
            "recurring[interval_count]", "The maximum cycle is three years."
        )
    if recurring.get("meter") and recurring.get("usage_type") != "metered":
        raise errors.invalid(
            "recurring[meter]", "A meter needs recurring[usage_type]=metered."
        )


def _set_amount(given: dict[str, Any]) -> None:
    """Whole minor units, or up to twelve decimals of one: then there is no amount."""
    if "unit_amount" in given:
        given["unit_amount_decimal"] = str(given["unit_amount"])
    elif "unit_amount_decimal" in given:
        exact = Decimal(given["unit_amount_decimal"])
        whole = exact == exact.to_integral_value(ROUND_HALF_UP)
        given["unit_amount"] = int(exact) if whole else None
    else:
        raise errors.missing("unit_amount")
    if Decimal(given["unit_amount_decimal"]) < 0:
        raise errors.invalid("unit_amount", "Invalid non-negative integer")


def retrieve_price(account: Account, call: Call) -> Json:
    params.read(call.tree, {})
    return account.get("price", call.ids[0])


def update_price(account: Account, call: Call) -> Json:
    given = params.read(call.tree, _PRICE)
    stored = account.get("price", call.ids[0])
    if "metadata" in given:
        given["metadata"] = params.merged(stored["metadata"], given["metadata"])
    return account.change(stored | given, "price.updated")


def list_prices(account: Account, call: Call) -> Json:
    spec = {
        "active": params.boolean,
        "currency": params.currency,
        "lookup_keys": params.many(params.text),
        "product": params.text,
        "type": params.choice("one_time", "recurring"),
    }
    given = params.read(call.tree, lists.PAGING | lists.CREATED | spec)
    filters = lists.Filter()
    filters.equal(given, "product", "type")
    if "currency" in given:
        filters.add("json_extract(body, '$.currency') = ?", given["currency"])
    if keys := given.get("lookup_keys"):
        marks = ",".join("?" * len(keys))
        filters.add(f"json_extract(body, '$.lookup_key') in ({marks})", *keys)
    _add_active(filters, given)
    filters.span(given)
    return lists.page(account, "price", "/v1/prices", given, filters)


def _add_active(filters: lists.Filter, given: Json) -> None:
    if given.get("active") is not None:
        filters.add("json_extract(body, '$.active') = ?", int(given["active"]))


def usable(account: Account, stored: str, *, param: str) -> Json:
    price = account.get("price", stored, param=param)
    if not price["active"]:
        raise errors.refused(
            "The price specified is inactive. This field only accepts active prices.",
            param=param,
        )
    return price
