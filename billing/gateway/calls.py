"""One call: throttled, with a timeout, repeated with the same key, its errors ours.

The SDK signs, encodes and sends; it retries nothing, for our throttle must count it.
It costs 26 MB and a third of a second, so it is imported by the first call.
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
from billing.gateway.reading import Node
from billing.gateway.shapes import Page
from billing.gateway.throttle import wait_for_token

logger = logging.getLogger(__name__)
T = TypeVar("T")

API_VERSION = "2026-10-28.endive"  # what `reading` and `shapes` were written for
TIMEOUT_SECONDS = 10.0  # of one try
DEADLINE_SECONDS = 30.0  # of all tries together
PAGE_DEADLINE_SECONDS = 8.0  # somebody waits
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0
_less: ContextVar[float] = ContextVar("deadline", default=DEADLINE_SECONDS)
_ID = re.compile(r"[A-Za-z0-9_]{1,255}")
_NOT_FOUND, _CONFLICT, _TOO_MANY, _BROKEN = 404, 409, 429, 500
_REFUSALS, _NO_ENTRY = (400, 402), (401, 403)


def is_on() -> bool:
    """Whether there is an account to speak with."""
    return bool(settings.STRIPE_SECRET_KEY)


def is_test() -> bool:
    """Whether our key sees only what is made for tests."""
    return "_test_" in settings.STRIPE_SECRET_KEY


def get(path: str, **params: Any) -> Node:
    return _until_answered("get", path, params)


def post(path: str, *, key: str, **params: Any) -> Node:
    """A write: asked again with the same key, it is done once (for a day)."""
    return _until_answered("post", path, params | {"idempotency_key": key or None})


def page(path: str, read: Callable[[Node], T], **params: Any) -> Page[T]:
    """A page of a list; what cannot be read is left out of it and told."""
    answer = get(path, **params)
    nodes = list(Node({"list": answer.value}, "").nodes("list"))
    items: list[T] = []
    malformed: list[Malformed] = []
    for node in nodes:
        try:
            items.append(read(Node(node.value, node.text("object"))))
        except Malformed as error:
            error.stripe_id = str(node.value.get("id"))
            malformed.append(error)
    if malformed:
        one = malformed[0]
        count = len(malformed)
        logger.warning("stripe_malformed n=%s id=%s %s", count, one.stripe_id, one)
    last_id = nodes[-1].text("id") if nodes else ""
    more = answer.boolean("has_more")
    return Page(tuple(items), last_id if more else "", last_id, tuple(malformed))


def place(kind: str, id_: str, *more: str) -> str:
    """The path of an object; ids come from webhooks and must not lead elsewhere."""
    if not _ID.fullmatch(id_):
        raise Missing("That is no id of Stripe.")
    return "/".join(("/v1", kind, id_, *more))


def window(
    *,
    after: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
) -> dict[str, Any]:
    """Which part of a list: after a cursor, of what was made in a span, both ends in.

    Stripe's seconds are whole: both ends have all of theirs.
    """
    created = {"gte": timestamp(since), "lte": timestamp(until)}
    is_span = since is not None or until is not None
    return {
        "limit": limit,
        "starting_after": after or None,
        "created": created if is_span else None,
    }


def timestamp(at: datetime | str | None) -> int | str | None:
    """Whole seconds; a word of Stripe's (`now`) stays one."""
    return int(at.timestamp()) if isinstance(at, datetime) else at


# --- asking until there is an answer ----------------------------------------------


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """For work that comes again by itself and should not hold a worker."""
    token = _less.set(seconds)
    try:
        yield
    finally:
        _less.reset(token)


def _seconds() -> float:
    is_page = settings.PROCESS == "web"
    return min(PAGE_DEADLINE_SECONDS if is_page else DEADLINE_SECONDS, _less.get())


def _until_answered(method: str, path: str, params: Mapping[str, Any]) -> Node:
    ends_at, wait = time.monotonic() + _seconds(), _FIRST_WAIT
    while True:
        wait_for_token()
        try:
            return _ask(method, path, params)
        except Unavailable as error:
            pause = max(random.uniform(wait / 2, wait), error.asked_pause)  # noqa: S311
            if not error.again or time.monotonic() + pause > ends_at:
                raise
            logger.info("stripe_again code=%s in=%.1f", error.code, pause)
        time.sleep(pause)
        wait = min(2 * wait, _LONGEST_WAIT)


def _ask(method: str, path: str, params: Mapping[str, Any]) -> Node:
    import stripe  # noqa: PLC0415

    try:
        answer = _client(
            settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE, TIMEOUT_SECONDS
        ).raw_request(method, path, **params)
    except stripe.StripeError as error:
        raise _translated(error) from None  # its own text may show what was sent
    return Node.of(answer.data, path)


@cache
def _client(key: str, base: str, timeout: float) -> Any:
    import stripe  # noqa: PLC0415

    logging.getLogger("stripe").setLevel(logging.WARNING)  # else each URL, twice
    stripe.enable_telemetry = False
    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": base.rstrip("/")} if base else None,
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=timeout),
    )


def _translated(error: Any) -> Exception:
    status, headers = error.http_status or 0, error.headers
    message = redacted(error.user_message or "")
    code, param = error.code or _code(error), getattr(error, "param", None) or ""
    if status == _NOT_FOUND:
        return Missing("There is no such object in Stripe.")
    if status in _REFUSALS and code != "rate_limit":
        return Refused(message, code=code, param=param)
    if status in _NO_ENTRY:
        logger.error("stripe_key_refused status=%s", status)
        text = "Stripe does not take our key."
        return Unavailable(text, code="stripe.key_refused", again=False)
    return _not_now(status, headers)


def _code(error: Any) -> str:
    """`idempotency_error` and others have a type and no code."""
    body = error.json_body
    told = body.get("error") if isinstance(body, dict) else None
    return str(told.get("type") or "") if isinstance(told, dict) else ""


def _not_now(status: int, headers: Mapping[str, str]) -> Unavailable:
    # An error of theirs that is replayed for our key will be the same for a day.
    is_replayed = headers.get("Idempotent-Replayed") == "true"
    told = headers.get("Stripe-Should-Retry")
    again = told != "false" and not (is_replayed and status >= _BROKEN)
    text = headers.get("Retry-After", "")
    return Unavailable(
        "Stripe does not answer just now.",
        code="stripe.busy" if status == _TOO_MANY else "",
        again=again,
        asked_pause=float(text) if text.isdigit() else 0.0,
    )
