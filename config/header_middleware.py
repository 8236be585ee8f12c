"""Security headers of every response, and keys that were sent without TLS."""

import re
from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from config.error_formats import render_error
from config.server.headers import NO_STORE, outside_headers

_CREDENTIALS = ("Authorization", "X-Api-Key", "X-Jwt-Token")
_EXEMPT = [re.compile(pattern) for pattern in settings.SECURE_REDIRECT_EXEMPT]


class SecurityHeadersMiddleware:
    """Adds the headers that a response lacks, whatever answered.

    The first of all middleware: static files, errors of Django itself, redirects, and
    responses that skip the middleware of pages pass it. What has no policy for caches
    is stored by none, because nearly everything here is about money.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._refusal(request) or self.get_response(request)
        for name, value in (*outside_headers(), ("Cache-Control", NO_STORE)):
            if name != "X-Frame-Options" or not _is_framed(response):
                response.headers.setdefault(name, value)
        return response

    def _refusal(self, request: HttpRequest) -> HttpResponseBase | None:
        """Refuse a credential that came without TLS: a redirect would hide the leak."""
        if not settings.SECURE_SSL_REDIRECT or request.is_secure():
            return None
        if any(pattern.search(request.path.lstrip("/")) for pattern in _EXEMPT):
            return None
        if not (_has_credential(request) or _is_write(request)):
            return None
        return render_error(
            request,
            HTTPStatus.FORBIDDEN,
            "https_required",
            "Use https. What was sent could be read on its way: replace the key.",
        )


def _is_framed(response: HttpResponseBase) -> bool:
    """Return whether a view has named the sites that may frame its page (CSP)."""
    return getattr(response, "xframe_options_exempt", False) is True


def _has_credential(request: HttpRequest) -> bool:
    is_in_header = any(request.headers.get(name) for name in _CREDENTIALS)
    return is_in_header or "jwt" in request.COOKIES


def _is_write(request: HttpRequest) -> bool:
    """Return whether a redirect would lose the body, which may have a password."""
    return request.method not in {"GET", "HEAD", "OPTIONS"}
