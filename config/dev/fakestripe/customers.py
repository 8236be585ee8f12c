"""Customers, their search by email, and their portal sessions."""

import re
from typing import Any

from config.dev.fakestripe import changing, errors, lists, params, shapes
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.calls import Call
from config.dev.fakestripe.due import OVER
from config.dev.fakestripe.store import Json, new_id

_FIELDS: params.Spec = {
    "address": params.anything,
    "balance": params.amount,
    "description": params.text,
    "email": params.email,
    "invoice_prefix": params.text,
    "invoice_settings": params.anything,
    "metadata": params.metadata,
    "name": params.text,
    "next_invoice_sequence": params.integer,
    "payment_method": params.text,
    "phone": params.text,
    "preferred_locales": params.many(params.text),
    "shipping": params.anything,
    "source": params.text,
    "tax_exempt": params.choice("none", "exempt", "reverse"),
}
_LIST = lists.PAGING | lists.CREATED | {"email": params.text}


def create(account: Account, call: Call) -> Json:
    given = _stored(params.read(call.tree, _FIELDS))
    metadata = params.merged({}, given.pop("metadata", {}))
    stored = shapes.customer(account.now(), metadata=metadata, **given)
    return account.add(stored, "customer.created")


def retrieve(account: Account, call: Call) -> Json:
    params.read(call.tree, {})
    return account.get("customer", call.ids[0])


def update(account: Account, call: Call) -> Json:
    given = _stored(params.read(call.tree, _FIELDS))
    stored = live(account, call.ids[0])
    if "metadata" in given:
        given["metadata"] = params.merged(stored["metadata"], given["metadata"])
    return account.change(stored | given, "customer.updated")


def delete(account: Account, call: Call) -> Json:
    """Delete a customer: subscriptions end at once, the id stays as a deleted one."""
    stored = live(account, call.ids[0])
    for one in account.store.select(
        "kind = 'subscription' and customer = ?", (stored["id"],)
    ):
        if one["status"] not in OVER:
            changing.end(account, one)
    return account.add(stored | {"deleted": True}, "customer.deleted")


def list_(account: Account, call: Call) -> Json:
    given = params.read(call.tree, _LIST)
    filters = lists.Filter()
    filters.equal(given, "email")
    filters.span(given)
    return lists.page(account, "customer", "/v1/customers", given, filters)


_CLAUSE = re.compile(r"""\s*(email|name|metadata\[['"]([^'"]+)['"]\])\s*[:~]\s*""")
_QUOTED = re.compile(r"""(['"])(.*?)\1""")


def search(account: Account, call: Call) -> Json:
    """`email:'a@b.c' AND metadata['k']:'v'`: only equality, joined by AND."""
    spec = {
        "query": params.text,
        "limit": params.integer,
        "page": params.text,
    }
    given = params.read(call.tree, spec, required=["query"])
    filters = lists.Filter()
    for clause in re.split(r"\s+AND\s+", given.pop("query")):
        _add_clause(filters, clause)
    stored = lists.page(account, "customer", "/v1/customers/search", given, filters)
    return stored | {"object": "search_result", "next_page": None}


def _add_clause(filters: lists.Filter, clause: str) -> None:
    head = _CLAUSE.match(clause)
    value = _QUOTED.fullmatch(clause, head.end()) if head else None
    if not head or not value:
        raise errors.invalid("query", "We were unable to parse your search query")
    name = f'$.metadata."{head[2]}"' if head[2] else f"$.{head[1]}"
    filters.add("json_extract(body, ?) = ?", name, value[2])


def portal_session(account: Account, call: Call) -> Json:
    spec = {
        "customer": params.text,
        "return_url": params.text,
        "configuration": params.text,
    }
    given = params.read(call.tree, spec, required=["customer"])
    customer = live(account, given["customer"], param="customer")
    session = new_id("bps")
    return {
        "id": session,
        "object": "billing_portal.session",
        "configuration": "bpc_fake",
        "created": account.now(),
        "customer": customer["id"],
        "flow": None,
        "livemode": False,
        "locale": None,
        "on_behalf_of": None,
        "return_url": given.get("return_url"),
        "url": f"{account.base_url}/p/{customer['id']}",
    }


def live(account: Account, stored: str, *, param: str = "id") -> Json:
    customer = account.get("customer", stored, param=param)
    if customer.get("deleted"):
        raise errors.no_such("customer", stored, param=param)
    return customer


def _stored(given: dict[str, Any]) -> dict[str, Any]:
    """Cards are not ours: how payments end is decided by `/_fake/payment`."""
    return {
        key: value
        for key, value in given.items()
        if key not in {"payment_method", "source"}
    }
