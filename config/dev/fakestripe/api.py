"""A call of the API from bytes to bytes: key, version, handler, idempotency.

A call runs in one transaction with its idempotency key: a repeated call finds either
nothing of the first or its whole answer.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from config.dev.fakestripe import (
    catalog,
    creditnotes,
    customers,
    errors,
    events,
    expand,
    forms,
    invoiceitems,
    invoices,
    params,
    payments,
    previews,
    reductions,
    refunds,
    shapes,
    subscriptions,
    versions,
)
from config.dev.fakestripe.access import sent_key
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.calls import Call
from config.dev.fakestripe.errors import ApiError
from config.dev.fakestripe.store import Json, new_id

Handler = Callable[[Account, Call], Json]

_ROUTES: list[tuple[str, str, Handler]] = [
    ("POST", "/v1/customers", customers.create),
    ("GET", "/v1/customers", customers.list_),
    ("GET", "/v1/customers/search", customers.search),
    ("GET", "/v1/customers/*", customers.retrieve),
    ("POST", "/v1/customers/*", customers.update),
    ("DELETE", "/v1/customers/*", customers.delete),
    ("POST", "/v1/billing_portal/sessions", customers.portal_session),
    ("POST", "/v1/products", catalog.create_product),
    ("GET", "/v1/products", catalog.list_products),
    ("GET", "/v1/products/*", catalog.retrieve_product),
    ("POST", "/v1/products/*", catalog.update_product),
    ("DELETE", "/v1/products/*", catalog.delete_product),
    ("POST", "/v1/prices", catalog.create_price),
    ("GET", "/v1/prices", catalog.list_prices),
    ("GET", "/v1/prices/*", catalog.retrieve_price),
    ("POST", "/v1/prices/*", catalog.update_price),
    ("POST", "/v1/coupons", reductions.create_coupon),
    ("GET", "/v1/coupons/*", reductions.retrieve_coupon),
    ("DELETE", "/v1/coupons/*", reductions.delete_coupon),
    ("POST", "/v1/tax_rates", reductions.create_rate),
    ("GET", "/v1/tax_rates/*", reductions.retrieve_rate),
    ("POST", "/v1/subscriptions", subscriptions.create),
    ("GET", "/v1/subscriptions", subscriptions.list_),
    ("GET", "/v1/subscriptions/*", subscriptions.retrieve),
    ("POST", "/v1/subscriptions/*", subscriptions.update),
    ("DELETE", "/v1/subscriptions/*", subscriptions.cancel),
    ("POST", "/v1/subscriptions/*/resume", subscriptions.resume),
    ("GET", "/v1/subscription_items", subscriptions.list_items),
    ("POST", "/v1/invoices", invoices.create),
    ("GET", "/v1/invoices", invoices.list_),
    ("POST", "/v1/invoices/create_preview", previews.create),
    ("GET", "/v1/invoices/*", invoices.retrieve),
    ("POST", "/v1/invoices/*", invoices.update),
    ("DELETE", "/v1/invoices/*", invoices.delete),
    ("GET", "/v1/invoices/*/lines", invoices.lines),
    ("POST", "/v1/invoices/*/lines/*", invoices.update_line),
    ("POST", "/v1/invoices/*/remove_lines", invoices.remove_lines),
    ("POST", "/v1/invoices/*/finalize", invoices.finalize),
    ("POST", "/v1/invoices/*/pay", invoices.pay),
    ("POST", "/v1/invoices/*/void", invoices.void),
    ("POST", "/v1/invoices/*/mark_uncollectible", invoices.mark_uncollectible),
    ("POST", "/v1/invoices/*/send", invoices.send),
    ("POST", "/v1/invoiceitems", invoiceitems.create),
    ("GET", "/v1/invoiceitems", invoiceitems.list_),
    ("GET", "/v1/invoiceitems/*", invoiceitems.retrieve),
    ("POST", "/v1/invoiceitems/*", invoiceitems.update),
    ("DELETE", "/v1/invoiceitems/*", invoiceitems.delete),
    ("GET", "/v1/charges", payments.list_charges),
    ("GET", "/v1/charges/*", payments.retrieve_charge),
    ("GET", "/v1/invoice_payments", payments.list_invoice_payments),
    ("GET", "/v1/invoice_payments/*", payments.retrieve_invoice_payment),
    ("POST", "/v1/refunds", refunds.create),
    ("GET", "/v1/refunds", refunds.list_),
    ("GET", "/v1/refunds/*", refunds.retrieve),
    ("GET", "/v1/disputes", refunds.list_disputes),
    ("GET", "/v1/disputes/*", refunds.retrieve_dispute),
    ("POST", "/v1/disputes/*/close", refunds.close_dispute),
    ("POST", "/v1/credit_notes", creditnotes.create),
    ("GET", "/v1/credit_notes", creditnotes.list_),
    ("GET", "/v1/credit_notes/*", creditnotes.retrieve),
    ("POST", "/v1/credit_notes/*/void", creditnotes.void),
    ("GET", "/v1/events", events.list_),
    ("GET", "/v1/events/*", events.retrieve),
]
_PATTERNS = [
    (method, re.compile(path.replace("*", "([^/]+)")), handler)
    for method, path, handler in _ROUTES
]
_LONGEST_KEY = 255


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    saved: bool = True  # under the idempotency key


def answer(
    account: Account,
    method: str,
    path: str,
    text: str,
    headers: Mapping[str, str],
    *,
    broken: bool = False,
) -> Answer:
    """Answer a call; `text` is the form of a POST or the query of other methods.

    A `broken` call fails inside, and its 500 is stored under the idempotency key.
    """
    request = new_id("req", length=14)
    try:
        _check_key(headers.get("authorization", ""))
        call = _call(account, method, path, text, headers)
        stored = _once(account, call, request, broken=broken)
    except ApiError as error:
        stored = _refusal(error)
    version = headers.get("stripe-version") or versions.NEWEST
    shown = {"request-id": request, "stripe-version": version[:40]}
    if key := headers.get("idempotency-key"):
        shown["idempotency-key"] = key[:_LONGEST_KEY]
    return Answer(stored.status, stored.body, shown | dict(stored.headers))


def _check_key(header: str) -> None:
    """Require any test key; the server has compared it with its own, if it has one."""
    key = sent_key(header)
    if not key:
        raise errors.unauthorized("You did not provide an API key.")
    if not re.fullmatch(r"(sk|rk)_test_\w+", key):
        raise errors.unauthorized(f"Invalid API Key provided: {key[:3]}****")
    if "expired" in key:
        raise errors.unauthorized("Expired API Key provided", "api_key_expired")


def _call(
    account: Account, method: str, path: str, text: str, headers: Mapping[str, str]
) -> Call:
    default = account.store.setting("api_version", versions.NEWEST)
    version = headers.get("stripe-version") or default
    if version not in versions.KNOWN:
        raise ApiError(400, f"Invalid Stripe API version: {version[:40]}", saved=False)
    tree = forms.parse(text)
    filters = tree.pop("expand", None)
    paths = params.many(params.text)(filters, "expand") if filters else []
    key = headers.get("idempotency-key")
    if key and len(key) > _LONGEST_KEY:
        raise errors.invalid("Idempotency-Key", "Keys have at most 255 characters")
    return Call(method, path, tree, (), tuple(paths), version, key)


def _once(account: Account, call: Call, request: str, *, broken: bool) -> Answer:
    """Answer from the key's first call, or run it and keep its answer."""
    if call.method != "POST" or not call.key:
        return _BROKEN if broken else _run(account, call, request)
    fingerprint = json.dumps(
        [call.path, forms.flat(call.tree), call.expand, call.version]
    )
    with account.store.transaction():
        row = account.store.db.execute(
            "select fingerprint, status, body, request from idempotency where key = ?"
            " and created > ?",
            (call.key, account.now() - 24 * 3600),
        ).fetchone()
        if row:
            return _replay(call, fingerprint, row)
        stored = _BROKEN if broken else _run(account, call, request)
        if stored.saved:
            _keep(account, call.key, fingerprint, stored, request)
    return stored


def _keep(
    account: Account, key: str, fingerprint: str, stored: Answer, request: str
) -> None:
    account.store.db.execute(
        "insert or replace into idempotency values (?, ?, ?, ?, ?, ?)",
        (key, fingerprint, account.now(), stored.status, stored.body, request),
    )


def _replay(call: Call, fingerprint: str, row: tuple[str, int, bytes, str]) -> Answer:
    known, status, body, request = row
    if known != fingerprint:
        raise ApiError(
            400,
            "Keys for idempotent requests can only be used with the same parameters"
            f" they were first used with. Try using a key other than '{call.key}'.",
            kind="idempotency_error",
            saved=False,
        )
    return Answer(
        status, body, {"idempotent-replayed": "true", "original-request": request}
    )


def _run(account: Account, call: Call, request: str) -> Answer:
    """Run the handler in a transaction, rolled back by an error that keeps nothing."""
    refusal: ApiError | None = None
    try:
        with account.store.transaction():
            account.request = {"id": request, "idempotency_key": call.key}
            try:
                shown = _shown(account, call)
            except ApiError as error:
                if not error.keeps:
                    raise
                refusal = error
            finally:
                account.request = {}
    except ApiError as error:
        refusal = error
    return _refusal(refusal) if refusal else Answer(200, _bytes(shown))


def _shown(account: Account, call: Call) -> Json:
    stored = _do(account, call)
    has_payments = any(path.split(".")[-1] == "payments" for path in call.expand)
    shows = _Shows(account, call.version, has_payments=has_payments)
    shown = shows.show(stored)
    expand.expand(shown, call.expand, shows.fetch)
    return shown


def _do(account: Account, call: Call) -> Json:
    for method, pattern, handler in _PATTERNS:
        match = pattern.fullmatch(call.path)
        if match and method == call.method:
            ids = tuple(match.groups())
            return handler(account, Call(**{**call.__dict__, "ids": ids}))
    raise ApiError(
        404,
        f"Unrecognized request URL ({call.method}: {call.path}).",
        saved=False,
    )


@dataclass
class _Shows:
    """Objects as one call sees them; prices are looked up once."""

    account: Account
    version: str
    has_payments: bool = False  # invoices show them only where they are expanded
    seen: dict[str, Json | None] = field(default_factory=dict)

    def show(self, stored: Json) -> Json:
        if stored["object"] in {"list", "search_result"}:
            return stored | {"data": [self.show(one) for one in stored["data"]]}
        base_url = self.account.base_url
        answer = versions.render(stored, self.version, self._price, base_url)
        if self.has_payments and stored["object"] == "invoice":
            url = f"/v1/invoice_payments?invoice={stored['id']}"
            answer["payments"] = shapes.listed(stored.get("_payments", []), url)
        return answer

    def fetch(self, kind: str, ids: Sequence[str]) -> dict[str, Json]:
        stored = self.account.store.find_many(kind, ids)
        return {name: self.show(one) for name, one in stored.items()}

    def _price(self, name: str) -> Json | None:
        if name not in self.seen:
            self.seen[name] = self.account.store.find("price", name)
        return self.seen[name]


def shown(account: Account, stored: Json, version: str) -> Json:
    return _Shows(account, version).show(stored)


def _refusal(error: ApiError) -> Answer:
    return Answer(error.status, _bytes(error.body()), saved=error.saved)


def _bytes(stored: Any) -> bytes:
    return orjson.dumps(stored)


_BROKEN = _refusal(ApiError(500, "An unknown error occurred", kind="api_error"))
