"""Accounts that must set up two-factor login reach no other page until they did."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, resolve_url

from config.error_formats import is_api
from orgs.access.second_factor import is_second_factor_missing_in
from orgs.models import User

_ENROLLMENT = "mfa_index"
_ACCOUNTS = "/accounts/"  # seeds, recovery codes, addresses
_ADMIN = "/admin/"  # its login page redirects accounts that are logged in
# Enrollment, logout, password change and recovery, and the proof of presence for these.
_OPEN_VIEWS = frozenset(
    {
        *("mfa_index", "mfa_activate_totp", "mfa_add_webauthn", "mfa_list_webauthn"),
        *("mfa_edit_webauthn", "mfa_remove_webauthn", "mfa_deactivate_totp"),
        *("mfa_view_recovery_codes", "mfa_generate_recovery_codes"),
        *("mfa_reauthenticate", "mfa_reauthenticate_webauthn"),
        *("account_login", "account_logout", "mfa_login_webauthn"),
        *("sso_login", "sso_callback"),
        *("account_change_password", "account_set_password"),
        *("account_reauthenticate", "account_inactive"),
        *("account_reset_password", "account_reset_password_done"),
        *("account_reset_password_from_key", "account_reset_password_from_key_done"),
    }
)


class SecondFactorMiddleware:
    """Sends accounts without a second factor to enrollment, whatever they ask for.

    Pages that need no login treat such an account as anonymous. API calls pass:
    `orgs.access.credentials` refuses them, in the format of their contract.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.path.startswith(_ACCOUNTS):
            response["Cache-Control"] = "private, no-store"
        return response

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        """Return the way to enrollment, or None if the view may answer."""
        user = request.user
        if not isinstance(user, User) or _is_open(request):
            return None
        if not is_second_factor_missing_in(request, user):
            return None
        if is_public(view_func) and not request.path.startswith(_ADMIN):
            request.user = AnonymousUser()
            return None
        return None if is_api(request) else _to_enrollment(request)


def is_public(view_func: Callable[..., HttpResponseBase]) -> bool:
    """Return whether a view answers without a login, by Django's decorator."""
    return not getattr(view_func, "login_required", True)


def _is_open(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and match.view_name in _OPEN_VIEWS


def _to_enrollment(request: HttpRequest) -> HttpResponse:
    """Send the whole browser there, never a page into a fragment."""
    if "HX-Request" in request.headers:
        url = resolve_url(_ENROLLMENT)
        return HttpResponse(status=HTTPStatus.FORBIDDEN, headers={"HX-Redirect": url})
    return redirect(_ENROLLMENT)
