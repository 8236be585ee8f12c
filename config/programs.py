"""Middleware of pages that the calls of programs pass by.

A call with a key in its headers has no session, no form, no message and no fragment;
making them ready for it would be much of a chart's whole cost. Whoever asks without
such a header, a browser above all, passes everything.
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

from config.languages import is_api

_KEY_HEADERS = ("HTTP_X_API_KEY", "HTTP_X_JWT_TOKEN")
_KEY_KINDS = ("apikey ", "bearer ")
# What answers to programs hold is never shown: they may load nothing and be in nothing.
POLICY = "default-src 'none'; frame-ancestors 'none'"


def is_program(request: HttpRequest) -> bool:
    """Says how it asks, not who it is: the API's own gate looks at the credential.

    A name and password (Basic) go the long way: logging in is a page's affair, too.
    """
    known: bool | None = request.__dict__.get("is_program")
    if known is None:
        known = is_api(request) and _has_key(request.META)
        request.__dict__["is_program"] = known
    return known


def _has_key(headers: dict[str, Any]) -> bool:
    if any(headers.get(name) for name in _KEY_HEADERS):
        return True
    return str(headers.get("HTTP_AUTHORIZATION", "")).lower().startswith(_KEY_KINDS)


class _ForPages:
    """Goes before a middleware's class: a program's call goes straight on."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if is_program(request):
            response: HttpResponseBase = self.get_response(request)
            return response
        answer: HttpResponseBase = super().__call__(request)  # type: ignore[misc]
        return answer


class PageGZipMiddleware(_ForPages, GZipMiddleware):
    """Packs pages: a seventh of the bytes for half a millisecond of processor.

    What a guesser could learn from lengths (BREACH) is veiled: the form token is masked
    anew in each page, and Django pads by chance. Files are packed when they are built;
    answers to programs have entity tags, which packing would weaken.
    """

    def process_response(self, request: Any, response: Any) -> Any:
        if not response.get("Content-Type", "").startswith("text/html"):
            return response
        return super().process_response(request, response)


class PageCSPMiddleware(_ForPages, CSPMiddleware):
    """Programs get a policy that never changes."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = super().__call__(request)
        if is_program(request):
            response["Content-Security-Policy"] = POLICY
        return response


class PageSessionMiddleware(_ForPages, SessionMiddleware):
    """No cookie is read or set."""


class PageAuthenticationMiddleware(_ForPages, AuthenticationMiddleware):
    """A program is nobody's session."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if is_program(request):
            request.user = AnonymousUser()
        return super().__call__(request)


class PageMessageMiddleware(_ForPages, MessageMiddleware):
    """Nobody would see the message."""


class PageHtmxMiddleware(_ForPages, HtmxMiddleware):
    """Programs get no fragments."""
