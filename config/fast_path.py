"""Answer the busiest API calls before Django is asked.

They are the chart of an organization's costs and the question whether it may be served,
with an API key in a header. Django's request handling would be most of their cost;
`make bench` measures each of them with and without this module. A call that meets its
goal without it (reporting usage, the organization of contract A) does not belong here.

A call that is not plain (another form of credential, a key whose use has to be noted,
input that does not validate, an organization out of reach) is passed on to Django
before it is counted. A call that was counted is never passed on: it runs once, and its
errors are answered here in the same format as Django's.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections
from django.http.request import split_domain_port, validate_host
from django.utils import timezone
from pydantic import ValidationError

from billing.api import ACCESS_JOIN, access_answer
from config.errors import error_response
from config.middleware import REQUEST_ID, new_request_id
from config.server.headers import NO_STORE, outside_headers
from metrics.api.costs import read_chart
from metrics.schemas.charts import ChartsIn
from orgs.access.api_auth import CHARTS_RATE_LIMITED
from orgs.access.fast_path import authorize_organization, authorize_organization_with
from orgs.access.limits import count_call
from orgs.catalog import Scope
from orgs.web.http import REVALIDATE

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
Start = Callable[[str, Headers], Any]
Application = Callable[[Environ, Any], Iterable[bytes]]
Response = tuple[str, Headers, bytes]  # status line, headers, body

_ID = "([1-9][0-9]{0,18})"
_CHART = re.compile(f"/api/v1/billing/costs/{_ID}/charts")
_ACCESS = re.compile(f"/api/v1/organizations/{_ID}/access")
_PREFIXES = ("/api/v1/billing/costs/", "/api/v1/organizations/")
_CHART_QUERY = frozenset({"from", "to", "bucketing_strategy"})
_JSON = ("Content-Type", "application/json")


class FastPath:
    """A WSGI application that answers plain calls and passes on all others."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        response = _respond(environ)
        if response is None:
            return self.application(environ, start)
        status, headers, body = response
        start(status, [*headers, *_common_headers(environ, headers, body)])
        return [body]


def _respond(environ: Environ) -> Response | None:
    """Return the response to a plain call, or None for a call that is Django's."""
    path = environ["PATH_INFO"]
    if not path.startswith(_PREFIXES):
        return None
    if not (_is_secure(environ) and _is_allowed_host(environ.get("HTTP_HOST", ""))):
        return None
    # One id for the answer, the log and history, also if Django answers in the end.
    environ.setdefault(REQUEST_ID, new_request_id())
    try:
        close_old_connections()
        return _dispatch(environ, path)
    except Exception as error:
        return _error(environ, error)


def _dispatch(environ: Environ, path: str) -> Response | None:
    if environ["REQUEST_METHOD"] != "GET":
        return None
    if match := _CHART.fullmatch(path):
        return _chart(environ, match[1])
    if match := _ACCESS.fullmatch(path):
        return _access(environ, match[1])
    return None


def _error(environ: Environ, error: Exception) -> Response:
    """Return what Django would answer to an error; surprises are logged with the id."""
    request = WSGIRequest(environ)
    request.request_id = environ[REQUEST_ID]  # type: ignore[attr-defined]
    response = error_response(request, error)
    status = f"{response.status_code} {response.reason_phrase}"
    return status, list(response.items()), response.content


# --- the calls --------------------------------------------------------------------


def _chart(environ: Environ, organization_id: str) -> Response | None:
    query = _chart_query(environ.get("QUERY_STRING", ""))
    if query is None:
        return None
    call = authorize_organization(environ, organization_id, Scope.BILLING_READ)
    if call is None:
        return None
    organization = call.organization
    count_call(call.principal, organization, code=CHARTS_RATE_LIMITED)
    filters = query.filters(organization.white_label)
    tag, body = read_chart(organization, filters, environ.get("HTTP_IF_NONE_MATCH"))
    headers = [("ETag", tag), ("Cache-Control", REVALIDATE)]
    if body is None:
        return "304 Not Modified", headers, b""
    return "200 OK", [*headers, _JSON], body


@lru_cache(maxsize=1_000)
def _chart_query(text: str) -> ChartsIn | None:
    """Return the parameters of a chart, or None for a query Django has to judge.

    Cached because many callers send the same text; what it means today is computed from
    the result at each call.
    """
    pairs = parse_qsl(text, keep_blank_values=True)
    parameters = dict(pairs)
    if len(parameters) < len(pairs) or not _CHART_QUERY.issuperset(parameters):
        return None
    if any("\x00" in value for value in parameters.values()):
        return None
    try:
        return ChartsIn.model_validate(parameters)
    except ValidationError:
        return None


def _access(environ: Environ, organization_id: str) -> Response | None:
    if environ.get("QUERY_STRING"):
        return None
    now = timezone.now()
    call = authorize_organization_with(
        environ,
        organization_id,
        Scope.ORGANIZATIONS_READ,
        joined=ACCESS_JOIN,
        now=now,
    )
    if call is None:
        return None
    count_call(call.principal, call.organization)
    return "200 OK", [_JSON], access_answer(call.organization, call.joined, now)


# --- what Django's middleware would do --------------------------------------------


def _is_secure(environ: Environ) -> bool:
    """Return whether the call came over TLS, here or at the proxy, if required."""
    if not settings.SECURE_SSL_REDIRECT or environ["wsgi.url_scheme"] == "https":
        return True
    header = settings.SECURE_PROXY_SSL_HEADER
    return bool(header) and environ.get(header[0]) == header[1]


@lru_cache(maxsize=100)
def _is_allowed_host(host: str) -> bool:
    return validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)


def _common_headers(environ: Environ, headers: Headers, body: bytes) -> Headers:
    has_policy = any(name == "Cache-Control" for name, _ in headers)
    return [
        *([] if has_policy else [("Cache-Control", NO_STORE)]),
        *outside_headers(),
        ("Content-Length", str(len(body))),
        ("X-Request-ID", environ[REQUEST_ID]),
    ]
