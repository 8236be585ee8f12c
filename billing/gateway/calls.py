"""Calls to Stripe's API: throttled, with a timeout, and retried under one key.

The SDK only signs, encodes and sends. Its own retries are off, because the throttle
must count every request. Importing it costs 26 MB and a third of a second, so the first
call imports it rather than the module.
"""

import logging
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from django.conf import settings

from billing.gateway.errors import Malformed, Missing, Refused, Unavailable, redacted
from billing.gateway.nodes import Node
from billing.gateway.objects import Page
from billing.gateway.throttle import wait_for_token

logger = logging.getLogger(__name__)
T = TypeVar("T")

API_VERSION = "2026-10-28.endive"  # what `nodes` and `objects` were written for
TIMEOUT_SECONDS = 10.0  # of one request
DEADLINE_SECONDS = 30.0  # of all attempts of one call together
PAGE_DEADLINE_SECONDS = 8.0  # in a web process, where a person waits for the page
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 8.0
_deadline: ContextVar[float] = ContextVar("deadline", default=DEADLINE_SECONDS)
_ID = re.compile(r"[A-Za-z0-9_]{1,255}")
_NOT_FOUND, _TOO_MANY_REQUESTS, _SERVER_ERROR = 404, 429, 500
_REFUSALS, _UNAUTHORIZED = (400, 402), (401, 403)


def is_on() -> bool:
    """Return whether a Stripe account is configured."""
    return bool(settings.STRIPE_SECRET_KEY)


def is_test() -> bool:
    """Return whether the secret key belongs to Stripe's test mode."""
    return "_test_" in settings.STRIPE_SECRET_KEY


def get(path: str, **params: Any) -> Node:
    """Read from the API; Stripe ignores parameters that are null."""
    return _request_until_answered("get", path, params)


def post(path: str, *, key: str, **params: Any) -> Node:
    """Write to the API under an idempotency key.

    Stripe remembers the key for a day: repeated calls with it are done once. An empty
    key sends none.
    """
    return _request_until_answered(
        "post", path, params | {"idempotency_key": key or None}
    )


def page(path: str, read: Callable[[Node], T], **params: Any) -> Page[T]:
    """Read one page of a list.

    Objects that `read` finds malformed are left out, logged, and returned as errors.
    """
    answer = get(path, **params)
    nodes = list(Node({"list": answer.value}, "").nodes("list"))
    items: list[T] = []
    malformed: list[Malformed] = []
    for node in nodes:
        try:
            items.append(read(Node(node.value, node.text("object"))))
        except Malformed as error:
            error.stripe_id = str(node.value.get("id") or "")
            error.customer_id = _customer_id(node)
            malformed.append(error)
    _log_malformed(malformed)
    last_id = nodes[-1].text("id") if nodes else ""
    has_more = answer.boolean("has_more")
    return Page(tuple(items), last_id if has_more else "", last_id, tuple(malformed))


def all_items(path: str, read: Callable[[Node], T], **params: Any) -> Iterator[T]:
    """Yield all objects of a list, page after page.

    Raises `Malformed` if one cannot be read: the others alone would be misleading.
    """
    after = ""
    while True:
        part = page(path, read, **params, **list_parameters(after=after))
        if part.malformed:
            raise part.malformed[0]
        yield from part.items
        if not (after := part.next_cursor):
            return


def _customer_id(node: Node) -> str:
    """Return the customer that a malformed object names, or is; empty if none."""
    value = node.value.get("customer")
    if node.value.get("object") == "customer":
        value = node.value.get("id")
    elif isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) else ""


def _log_malformed(errors: list[Malformed]) -> None:
    """Log how many objects of a page were malformed, and the first of them."""
    if errors:
        first = errors[0]
        logger.warning(
            "stripe_malformed n=%s id=%s %s", len(errors), first.stripe_id, first
        )


@contextmanager
def object_of(id_: str) -> Iterator[None]:
    """Let the error of a malformed object name it, unless it names one already."""
    try:
        yield
    except Malformed as error:
        error.stripe_id = error.stripe_id or id_
        raise


@contextmanager
def part_of(id_: str, customer_id: str) -> Iterator[None]:
    """Let the error of a malformed part of an object name the whole object."""
    try:
        yield
    except Malformed as error:
        error.stripe_id, error.customer_id = id_, customer_id
        raise


def object_path(kind: str, id_: str, *suffixes: str) -> str:
    """Return the API path of an object; raise `Missing` for an impossible id.

    Ids come from webhooks, so one with a slash or a query must not reach another path.
    """
    if not _ID.fullmatch(id_):
        raise Missing("That is not a Stripe id.")
    return "/".join(("/v1", kind, id_, *suffixes))


def list_parameters(
    *,
    after: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
) -> dict[str, Any]:
    """Return the parameters that choose a part of a list.

    The part begins after the object `after` and has what was created from `since` to
    `until`, both included, in whole seconds.
    """
    created = {"gte": timestamp(since), "lte": timestamp(until)}
    has_span = since is not None or until is not None
    return {
        "limit": limit,
        "starting_after": after or None,
        "created": created if has_span else None,
    }


def timestamp(at: datetime | str | None) -> int | str | None:
    """Return an instant in whole seconds; Stripe's keywords (`now`) are left alone."""
    return int(at.timestamp()) if isinstance(at, datetime) else at


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Shorten the deadline of every call made in this context.

    For work that is retried later anyway and should not occupy a worker. Calls that run
    out of time raise `Unavailable`.
    """
    token = _deadline.set(seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def _deadline_seconds() -> float:
    """Return how many seconds a call may take, all its attempts together."""
    is_page = settings.PROCESS == "web"
    longest = PAGE_DEADLINE_SECONDS if is_page else DEADLINE_SECONDS
    return min(longest, _deadline.get())


def _request_until_answered(method: str, path: str, params: Mapping[str, Any]) -> Node:
    """Repeat a request until Stripe answers or the deadline would pass.

    Waits double from attempt to attempt, with jitter so that workers do not return in
    step, and are never shorter than what Stripe asks for in `Retry-After`.
    """
    ends_at = time.monotonic() + _deadline_seconds()
    wait = FIRST_WAIT_SECONDS
    while True:
        wait_for_token()
        try:
            return _request(method, path, params)
        except Unavailable as error:
            pause = max(
                random.uniform(wait / 2, wait),  # noqa: S311
                error.requested_pause,
            )
            if not error.may_retry_now or time.monotonic() + pause > ends_at:
                raise
            logger.info("stripe_retry code=%s in=%.1f", error.code, pause)
        time.sleep(pause)
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)


def _request(method: str, path: str, params: Mapping[str, Any]) -> Node:
    """Send one request and return its answer, or raise a `GatewayError`."""
    import stripe  # noqa: PLC0415

    try:
        answer = _client(
            settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE, TIMEOUT_SECONDS
        ).raw_request(method, path, **params)
    except stripe.StripeError as error:
        # Without its cause: the SDK's error text may repeat what was sent.
        raise _translate(error) from None
    return Node.from_value(answer.data, path)


@cache
def _client(key: str, base: str, timeout: float) -> Any:
    """Return the SDK's client, one per key, address and timeout."""
    import stripe  # noqa: PLC0415

    # The SDK logs each request twice at level INFO, with its URL.
    logging.getLogger("stripe").setLevel(logging.WARNING)
    stripe.enable_telemetry = False
    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": base.rstrip("/")} if base else None,
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=timeout),
    )


def _translate(error: Any) -> Exception:
    """Return the gateway's error for an error of the SDK."""
    status, headers = error.http_status or 0, error.headers
    message = redacted(error.user_message or "")
    code, param = error.code or _error_type(error), getattr(error, "param", None) or ""
    if status == _NOT_FOUND:
        return Missing("There is no such object in Stripe.")
    if status in _REFUSALS and code != "rate_limit":
        return Refused(message, code=code, param=param)
    if status in _UNAUTHORIZED:
        logger.error("stripe_key_refused status=%s", status)
        text = "Stripe rejected the configured secret key."
        return Unavailable(text, code="stripe.key_refused", may_retry_now=False)
    return _unavailable(status, headers)


def _error_type(error: Any) -> str:
    """Return the type of an error without a code, such as `idempotency_error`."""
    body = error.json_body
    details = body.get("error") if isinstance(body, dict) else None
    return str(details.get("type") or "") if isinstance(details, dict) else ""


def _unavailable(status: int, headers: Mapping[str, str]) -> Unavailable:
    """Return the error for no answer, too many requests or a fault of Stripe."""
    # Stripe stores a server error under the idempotency key and replays it for a day,
    # so another attempt with that key could only get the same answer.
    is_replayed_fault = (
        headers.get("Idempotent-Replayed") == "true" and status >= _SERVER_ERROR
    )
    may_retry = headers.get("Stripe-Should-Retry") != "false"
    seconds = headers.get("Retry-After", "")
    return Unavailable(
        "Stripe is not answering at the moment.",
        code="stripe.busy" if status == _TOO_MANY_REQUESTS else "",
        may_retry_now=may_retry and not is_replayed_fault,
        requested_pause=float(seconds) if seconds.isdigit() else 0.0,
    )
