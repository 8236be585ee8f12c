"""Seeing Orgdesk as another account: the one place that swaps the user and refuses.

A request of a view is handled as one of the other account, so that pages, API, and
Django admin show what that account would see. Only safe methods pass, and nothing of
the account's own security. A view as a member of an organization shows its customer
page and nothing else.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from config.error_formats import is_api
from config.errors import answer_domain_error
from config.page_middleware import has_api_key
from orgs.access.actors import actor_of
from orgs.access.view_as import SESSION_KEY, View, read_view, view_of
from orgs.commands.views_as import end_view
from orgs.errors import Forbidden
from orgs.models import User
from orgs.queries.views_as import find_view
from orgs.security_log import current_origin

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_STOP, _LOGOUT, _PREVIEW = (
    "orgs:stop_view_as",
    "account_logout",
    "billing:customer_preview",
)
# Passwords, second factors, sessions: those of the account are not shown to others.
_OWN_SECURITY = ("/accounts/", "/people/")
_READ_ONLY = (
    "You are viewing as {}, which only reads. Stop the view to change anything."
)
_OWN = "Passwords, second factors, and sessions of {} are not part of a view."
_MEMBER = "You are viewing as {}. Stop the view to use the API."


class ViewAsMiddleware:
    """Handles the requests of a view as those of the other account."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.view_as = _read(request)  # type: ignore[attr-defined]
        return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        """Swap the user, or return the refusal of what a view does not include."""
        view = view_of(request)
        name = request.resolver_match.view_name if request.resolver_match else ""
        if view is None or name == _STOP:
            return None
        if name == _LOGOUT:
            end_view(view.row)
            return None
        if refusal := _refusal(request, view):
            return answer_domain_error(request, Forbidden(refusal))
        if view.account is None:
            return _show_member(request, view, name, view_kwargs)
        current_origin().set_actor(actor_of(request.user))  # who acts stays the person
        request.user = view.account
        return None


def _read(request: HttpRequest) -> View | None:
    """Return the view of the session; end one that is over."""
    if has_api_key(request) or SESSION_KEY not in request.session:
        return None
    user = request.user
    row = None
    if isinstance(user, User):
        row = find_view(request.session[SESSION_KEY], user.pk)
    view = read_view(row, user, timezone.now()) if row else None  # type: ignore[arg-type]
    if view is None:
        del request.session[SESSION_KEY]
        if row is not None:
            end_view(row)
    return view


def _refusal(request: HttpRequest, view: View) -> str:
    """Return why the request is no part of the view; empty if it is one.

    Contract A restores organizations by GET.
    """
    if request.method not in _SAFE or _writes_by_get(request):
        return _READ_ONLY.format(view.label)
    if request.path.startswith(_OWN_SECURITY):
        return _OWN.format(view.label)
    if view.account is None and is_api(request):
        return _MEMBER.format(view.label)
    return ""


def _writes_by_get(request: HttpRequest) -> bool:
    return is_api(request) and request.path.rstrip("/").endswith("/restore")


def _show_member(
    request: HttpRequest, view: View, name: str, kwargs: dict[str, Any]
) -> HttpResponseBase | None:
    """Let only the page of the organization answer; everything else leads to it."""
    if name == _PREVIEW and kwargs.get("organization_id") == view.organization_id:
        return None
    return redirect(_PREVIEW, view.organization_id)
