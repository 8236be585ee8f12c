"""Requests to the provider: with one deadline each, few at a time, never redirected."""

import base64
import threading
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote, urlencode, urlsplit

import orjson

from config.sso.errors import LoginInvalid, ProviderUnavailable
from orgs.outbound import Answer, ErrorKind, Target, send

DEADLINE_SECONDS = 5.0
# A slow provider must not take all threads of the web process.
_AT_ONCE = threading.BoundedSemaphore(2)


def fetch_json(
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the object that the provider answers to a GET, or to a POST of a form.

    Takes up to `DEADLINE_SECONDS`: call it outside of transactions. Raises
    `ProviderUnavailable`, or `LoginInvalid` for a status of 400 to 499.
    """
    if not _AT_ONCE.acquire(blocking=False):
        raise ProviderUnavailable("too many requests to the provider at once")
    try:
        answer = _send(url, form, headers or {})
    finally:
        _AT_ONCE.release()
    return _read(answer)


def _send(
    url: str, form: Mapping[str, str] | None, headers: Mapping[str, str]
) -> Answer:
    method: Literal["GET", "POST"] = "GET" if form is None else "POST"
    target = Target(url, deadline=DEADLINE_SECONDS, method=method, is_configured=True)
    sent = {"accept": "application/json", **headers}
    if form is not None:
        sent["content-type"] = "application/x-www-form-urlencoded"
    return send(target, urlencode(form or {}).encode(), sent)


def _read(answer: Answer) -> dict[str, Any]:
    body = _object(answer.body)
    if answer.error == ErrorKind.HTTP and (answer.status or 0) < 500:  # noqa: PLR2004
        code = (body or {}).get("error")
        raise LoginInvalid(f"status {answer.status}, error {str(code)[:50]!r}")
    if answer.error is not None:
        raise ProviderUnavailable(answer.message)
    if body is None:
        raise ProviderUnavailable("the answer is not a JSON object")
    return body


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def basic_authorization(client_id: str, client_secret: str) -> str:
    """Return the header by which a client names itself (RFC 6749, 2.3.1)."""
    pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def is_as_secure(url: object, issuer: str) -> bool:
    """Return whether a URL of the provider's document may be used: never less TLS."""
    if not isinstance(url, str):
        return False
    schemes = {"https"} if issuer.startswith("https:") else {"https", "http"}
    return urlsplit(url).scheme in schemes
