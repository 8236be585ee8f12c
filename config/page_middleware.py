"""Middleware for pages that API calls with a key skip.

A call with a key in its headers has no session, no form, no message and no fragment;
preparing them would be much of the cost of a chart. A request without such a header, as
a browser sends it, passes all of the middleware.
"""

from typing import Any

from csp.middleware import CSPMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django_htmx.middleware import HtmxMiddleware

from config.error_formats import is_api

_KEY_HEADERS = ("HTTP_X_API_KEY", "HTTP_X_JWT_TOKEN")
_KEY_KINDS = ("apikey ", "bearer ")
# API responses are never rendered: they may load nothing and be framed by nothing.
API_POLICY = "default-src 'none'; frame-ancestors 'none'"


def has_api_key(request: HttpRequest) -> bool:
    """Return whether an API call has a key or token in its headers, valid or not.

    `orgs.access.api_auth` checks the credential itself. Basic authentication passes the
    middleware of pages: it may log a person in.
    """
    known: bool | None = request.__dict__.get("has_api_key")
    if known is None:
        known = is_api(request) and _has_key(request.META)
        request.__dict__["has_api_key"] = known
    return known


def _has_key(headers: dict[str, Any]) -> bool:
    if any(headers.get(name) for name in _KEY_HEADERS):
        return True
    return str(headers.get("HTTP_AUTHORIZATION", "")).lower().startswith(_KEY_KINDS)


class _ForPages:
    """A mixin that makes a middleware pass on API calls with a key untouched."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if has_api_key(request):
            response: HttpResponseBase = self.get_response(request)
            return response
        answer: HttpResponseBase = super().__call__(request)  # type: ignore[misc]
        return answer


class PageGZipMiddleware(_ForPages, GZipMiddleware):
    """GZip for pages: a seventh of the bytes for half a millisecond of processor.

    Lengths disclose nothing useful (BREACH): each page masks its form token
    differently, and Django adds random padding. Static files are compressed when they
    are built; API responses have entity tags, which compression would weaken.
    """

    def process_response(self, request: Any, response: Any) -> Any:
        if not response.get("Content-Type", "").startswith("text/html"):
            return response
        return super().process_response(request, response)


class PageCSPMiddleware(_ForPages, CSPMiddleware):
    """The policy of a page, or the constant one of API responses."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = super().__call__(request)
        if has_api_key(request):
            response["Content-Security-Policy"] = API_POLICY
        return response


class PageSessionMiddleware(_ForPages, SessionMiddleware):
    """Sessions for pages; an API call with a key reads and sets no cookie."""

    def process_request(self, request: HttpRequest) -> None:
        """Give the session its request, of which its row states the device."""
        super().process_request(request)
        request.session.request = request  # type: ignore[attr-defined]

    def process_response(self, request: Any, response: Any) -> Any:
        """Note that a session which was read is in use."""
        request.session.note_use()
        return super().process_response(request, response)


class PageAuthenticationMiddleware(_ForPages, AuthenticationMiddleware):
    """The user of a session; an API call with a key is anonymous until `api_auth`."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if has_api_key(request):
            request.user = AnonymousUser()
        return super().__call__(request)


class PageMessageMiddleware(_ForPages, MessageMiddleware):
    """Messages for pages; an API response could not show them."""


class PageHtmxMiddleware(_ForPages, HtmxMiddleware):
    """Fragments for pages; an API call with a key never gets one."""
