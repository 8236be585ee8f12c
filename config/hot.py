"""The calls that programs make all day, answered before Django is asked.

A chart of contract C, an organization of contract A, whether one may be served, and
usage that is reported, by a key: of what a read costs, three quarters would be the
machinery around it. Only a plain success is answered here, by the functions the API's
own operations call. For whatever is not in order, and for all the rest, Django is asked
as ever, and says what is wrong.
"""

import io
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import pghistory
from django.conf import settings
from django.db import close_old_connections
from django.http.request import split_domain_port, validate_host
from django.utils import timezone

from billing.api import ACCESS_BESIDE, access_answer
from config.middleware import request_id_of
from config.programs import POLICY
from metrics.api.costs import chart
from metrics.api.events import MAX_BYTES, plain_events, recorded_body
from metrics.api.whitelabel import info_body
from metrics.schemas import ChartsIn
from orgs.access import plain
from orgs.catalog import Scope
from orgs.http import KEEP

Environ = dict[str, Any]
Start = Callable[[str, list[tuple[str, str]]], Any]
Application = Callable[[Environ, Any], Iterable[bytes]]
Answer = tuple[str, list[tuple[str, str]], bytes]

_ID = "([1-9][0-9]{0,18})"
_CHART = re.compile(f"/api/v1/billing/costs/{_ID}/charts")
_INFO = re.compile(f"/v1/api/organizations/{_ID}/whitelabel/organizations/{_ID}")
_ACCESS = re.compile(f"/api/v1/organizations/{_ID}/access")
_EVENTS = "/api/v1/usage/events"
_BEGINNINGS = (
    "/api/v1/billing/costs/",
    "/api/v1/organizations/",
    _EVENTS,
    "/v1/api/organizations/",
)
_CHART_QUERY = frozenset({"from", "to", "bucketing_strategy"})


class HotDoors:
    """Goes before an application."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        answer = _answer(environ)
        if answer is None:
            return self.application(environ, start)
        status, headers, body = answer
        start(status, [*headers, *_headers(environ, body)])
        return [body]


def _answer(environ: Environ) -> Answer | None:
    path = environ["PATH_INFO"]
    if not path.startswith(_BEGINNINGS):
        return None
    if not (_is_secure(environ) and _is_ours(environ.get("HTTP_HOST", ""))):
        return None
    try:
        close_old_connections()
        return _open(environ, path)
    except Exception:  # whatever it is, the long way says and logs it
        return None


def _open(environ: Environ, path: str) -> Answer | None:
    match environ["REQUEST_METHOD"]:
        case "GET":
            return _read(environ, path)
        case "POST" if path == _EVENTS:
            return _report(environ)
    return None


def _read(environ: Environ, path: str) -> Answer | None:
    if named := _CHART.fullmatch(path):
        return _chart(environ, named[1])
    if named := _ACCESS.fullmatch(path):
        return _access(environ, named[1])
    if named := _INFO.fullmatch(path):
        return _info(environ, named[1], named[2])
    return None


def _chart(environ: Environ, organization_id: str) -> Answer | None:
    query = _query(environ.get("QUERY_STRING", ""))
    reached = plain.reach(environ, organization_id, Scope.BILLING_READ)
    if query is None or reached is None:
        return None
    organization = reached[1]
    filters = query.filters(organization.white_label)
    if not plain.count(*reached):
        return None
    tag, body = chart(organization, filters, environ.get("HTTP_IF_NONE_MATCH"))
    kept = [("ETag", tag), ("Cache-Control", KEEP)]
    return ("200 OK", kept, body) if body else ("304 Not Modified", kept, b"")


@lru_cache(maxsize=1_000)
def _query(text: str) -> ChartsIn | None:
    """Many callers ask the same; what it means today is asked of it each time."""
    pairs = parse_qsl(text, keep_blank_values=True)
    asked = dict(pairs)
    if len(asked) < len(pairs) or not _CHART_QUERY.issuperset(asked):
        return None
    return ChartsIn.model_validate(asked)


def _info(environ: Environ, owner_id: str, inner_id: str) -> Answer | None:
    if environ.get("QUERY_STRING"):
        return None
    found = plain.reach_inside(environ, owner_id, inner_id, Scope.ORGANIZATIONS_READ)
    if found is None or not plain.count(*found[0]):
        return None
    return "200 OK", [], info_body(found[1])


def _access(environ: Environ, organization_id: str) -> Answer | None:
    if environ.get("QUERY_STRING"):
        return None
    scope, now = Scope.ORGANIZATIONS_READ, timezone.now()
    found = plain.reach_beside(
        environ, organization_id, scope, beside=ACCESS_BESIDE, now=now
    )
    if found is None or not plain.count(*found[0]):
        return None
    (_, organization), row = found
    return "200 OK", [], access_answer(organization, row, now)


_TYPES = frozenset({"application/json", "application/json; charset=utf-8"})


def _report(environ: Environ) -> Answer | None:
    """Of events that are all well formed; a body that is read here is put back."""
    is_plain = environ.get("CONTENT_TYPE", "").lower() in _TYPES
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if not (is_plain and 0 < length <= MAX_BYTES) or _is_special(environ):
        return None
    found = plain.caller(environ, Scope.USAGE_WRITE)
    if found is None:
        return None
    body = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    events = plain_events(body)
    if events is None or not plain.count(found[0]):
        return None
    request_id = request_id_of(environ.get("HTTP_X_REQUEST_ID", ""))
    environ["HTTP_X_REQUEST_ID"] = request_id  # answered, and in history
    with pghistory.context(user=None, url=_EVENTS, request_id=request_id):
        told = recorded_body(found[1], events, found[0].organization_id)
    return "200 OK", [], told


def _is_special(environ: Environ) -> bool:
    return bool(environ.get("QUERY_STRING") or environ.get("HTTP_CONTENT_ENCODING"))


# --- what Django's middleware would do --------------------------------------------


def _is_secure(environ: Environ) -> bool:
    """Over TLS, here or at the proxy, where that is asked for."""
    if not settings.SECURE_SSL_REDIRECT or environ["wsgi.url_scheme"] == "https":
        return True
    header = settings.SECURE_PROXY_SSL_HEADER
    return bool(header) and environ.get(header[0]) == header[1]


@lru_cache(maxsize=100)
def _is_ours(host: str) -> bool:
    return validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)


def _headers(environ: Environ, body: bytes) -> list[tuple[str, str]]:
    return [
        *_FIXED,
        *([("Content-Type", "application/json")] if body else []),
        ("Content-Length", str(len(body))),
        ("X-Request-ID", request_id_of(environ.get("HTTP_X_REQUEST_ID", ""))),
        *_transport(),
    ]


_FIXED = [
    ("Content-Security-Policy", POLICY),
    ("X-Frame-Options", settings.X_FRAME_OPTIONS),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", settings.SECURE_REFERRER_POLICY),
    ("Cross-Origin-Opener-Policy", settings.SECURE_CROSS_ORIGIN_OPENER_POLICY),
]


def _transport() -> list[tuple[str, str]]:
    if not settings.SECURE_HSTS_SECONDS:
        return []
    value = f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains; preload"
    return [("Strict-Transport-Security", value)]
