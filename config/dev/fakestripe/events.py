"""Handlers of events."""

from config.dev.fakestripe import lists, params
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.calls import Call
from config.dev.fakestripe.errors import invalid
from config.dev.fakestripe.store import Json


def retrieve(account: Account, call: Call) -> Json:
    params.read(call.tree, {})
    return account.get("event", call.ids[0])


def list_(account: Account, call: Call) -> Json:
    """`delivery_success=false`: those an endpoint has not taken yet."""
    spec = {
        "delivery_success": params.boolean,
        "type": params.text,
        "types": params.many(params.text),
    }
    given = params.read(call.tree, lists.PAGING | lists.CREATED | spec)
    filters = lists.Filter()
    if given.get("type") and given.get("types"):
        raise invalid("types", "You may only specify one of these: type, types")
    if types := given.get("types") or ([given["type"]] if given.get("type") else []):
        marks = " or ".join("type glob ?" for _ in types)
        filters.add(f"({marks})", *types)
    if given.get("delivery_success") is not None:
        filters.add("pending = 0" if given["delivery_success"] else "pending > 0")
    filters.span(given)
    return lists.page(account, "event", "/v1/events", given, filters)
