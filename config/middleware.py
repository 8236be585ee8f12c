"""What every request passes: its id, the login gate of the pages, and history."""

import re
import uuid
from collections.abc import Callable, Mapping
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import pghistory
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, resolve_url
from pghistory.middleware import HistoryMiddleware as BaseHistoryMiddleware

from config.reauthentication import suspend_until_login
from orgs.access.actors import actor_of
from orgs.access.addresses import (
    ForwardedHeaderInvalid,
    address_block,
    client_address,
)
from orgs.link_tokens import mask_links
from orgs.security_log import Origin, coming_from, write_deferred

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_EXPIRED = "Your session has expired. Log in to continue; what you sent is kept."
# Where the fast path leaves the id of a request that it passes on.
REQUEST_ID = "orgdesk.request_id"

# These check their callers themselves, or are public.
OPEN_PREFIXES = (
    *("/api/", "/v1/", "/webhooks/", "/healthz", "/livez"),
    settings.STATIC_URL,
)


def new_request_id() -> str:
    """Return an id for a request: 32 hexadecimal digits."""
    return uuid.uuid4().hex


def client_request_id(headers: Mapping[str, str]) -> str:
    """Return the id that the caller sent, or nothing if it is unsafe in a log line."""
    sent = headers.get("HTTP_X_REQUEST_ID", "")
    return sent if _REQUEST_ID.fullmatch(sent) else ""


class RequestIdMiddleware:
    """Gives the request an id for logs and history and returns it to the caller.

    The caller's id does not become that of the request: it could repeat another one.
    It is kept beside it if it is harmless in a log line. Events of the security log
    that wait for the end of the request are written here.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id = request.META.get(REQUEST_ID) or new_request_id()
        request.request_id = request_id  # type: ignore[attr-defined]
        with coming_from(_origin_of(request, request_id)):
            response = self.get_response(request)
            write_deferred()
        response["X-Request-ID"] = request_id
        return response


def _origin_of(request: HttpRequest, request_id: str) -> Origin:
    return Origin(
        request_id=request_id,
        client_request_id=client_request_id(request.META),
        user_agent=request.META.get("HTTP_USER_AGENT", ""),
        find_address=lambda: _address_of(request),
        block_of=address_block,
        find_actor=lambda: actor_of(getattr(request, "user", None)),
        is_request=True,
    )


def _address_of(request: HttpRequest) -> str:
    """Return the address of the client, or nothing if it is not known."""
    try:
        return str(ip_address(client_address(request)))
    except (ForwardedHeaderInvalid, ValueError):
        return ""


class PageLoginRequiredMiddleware(LoginRequiredMiddleware):
    """Requires a login for every page, but not for APIs, webhooks and static files."""

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        if request.path.startswith(OPEN_PREFIXES):
            return None
        refused = super().process_view(request, view_func, view_args, view_kwargs)
        if refused is None:
            return None
        continuation = suspend_until_login(request)
        if continuation:
            messages.info(request, _EXPIRED)
        if "HX-Request" in request.headers:
            url = self._login_url(view_func, continuation or _shown_path(request))
            # The whole browser goes to the login, never a login page into a fragment.
            headers = {"HX-Redirect": url}
            return HttpResponse(status=HTTPStatus.UNAUTHORIZED, headers=headers)
        return (
            redirect(self._login_url(view_func, continuation))
            if continuation
            else refused
        )

    def _login_url(self, view_func: Callable[..., HttpResponseBase], back: str) -> str:
        """Return the address of the login that leads back to a path."""
        query = QueryDict(mutable=True)
        query[self.get_redirect_field_name(view_func)] = back
        login = resolve_url(self.get_login_url(view_func))
        return f"{login}?{query.urlencode(safe='/')}"


def _shown_path(request: HttpRequest) -> str:
    """Return the path of the page that htmx asked from."""
    try:
        shown = urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:  # no URL at all
        return "/"
    path = shown.path or "/"
    return f"{path}?{shown.query}" if shown.query else path


class HistoryMiddleware(BaseHistoryMiddleware):
    """Adds to history rows the writer's name, which outlives the user, and the request.

    The base class gives the user's id and, as `url`, the path, here without the token
    of a link.
    """

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Open the history's context for writes: contract A restores with GET."""
        if request.method == "GET" and request.path.endswith("/restore"):
            with pghistory.context(**self.get_context(request)):
                restored: HttpResponseBase = self.get_response(request)
                return restored
        response: HttpResponseBase = super().__call__(request)  # type: ignore[no-untyped-call]
        return response

    def get_context(self, request: HttpRequest) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(request)
        context["url"] = mask_links(context["url"])
        user = getattr(request, "user", None)
        if user is not None and user.is_authenticated:
            context["username"] = user.get_username()
        context["request_id"] = getattr(request, "request_id", None)
        if sent := client_request_id(request.META):
            context["client_request_id"] = sent
        return context
