"""The two steps of a single sign-on: to the provider, and back."""

import logging
from http import HTTPStatus
from typing import Any

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.internal import statekit
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from config.sso.accounts import account_of
from config.sso.errors import LoginInvalid, ProviderUnavailable, SsoRefused
from config.sso.identity import Identity, identity_of
from config.sso.options import current_options
from config.sso.provider import PROVIDER_ID, ProviderAdapter
from orgs.access.second_factor import PROVIDER_SESSION_KEY
from orgs.models import User
from orgs.security_log import Kind, record

logger = logging.getLogger(__name__)


@login_not_required
@never_cache
@require_GET
def login(request: HttpRequest) -> HttpResponse:
    """Send the person to the provider."""
    current_options()
    try:
        provider = get_adapter().get_provider(request, PROVIDER_ID)
        response: HttpResponse = provider.redirect(
            request, "login", next_url=get_next_redirect_url(request)
        )
    except OAuth2Error as error:
        return _failed(request, error)
    return response


@login_not_required
@never_cache
@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    """Log in the person that the provider sends back, or show why not."""
    options = current_options()
    state = statekit.unstash_state(
        request, state_id=request.GET.get("state", ""), provider_id=PROVIDER_ID
    )
    try:
        identity = _identify(request, state)
        user = account_of(identity, options)
    except OAuth2Error as error:
        return _failed(request, error)
    except SsoRefused as refusal:
        return _refused(request, refusal)
    assert state is not None  # noqa: S101  _identify refuses a login without one
    return _log_in(request, user, identity, state.get("next"))


def _identify(request: HttpRequest, state: dict[str, Any] | None) -> Identity:
    """Return the person; raise `LoginInvalid` or `ProviderUnavailable`."""
    if state is None:
        raise LoginInvalid("the login is unknown, too old, or was completed")
    options = current_options()
    if request.GET.get("iss", options.issuer) != options.issuer:
        raise LoginInvalid("the answer is of another issuer")
    code = request.GET.get("code", "")
    if not code or "error" in request.GET:
        raise LoginInvalid(f"the provider answered {request.GET.get('error')!r:.60}")
    adapter = ProviderAdapter(request, PROVIDER_ID)
    adapter.nonce = str(state.get("nonce", ""))
    client = adapter.get_client(request, adapter.get_provider().app)
    verifier = state.get("pkce_code_verifier")
    tokens = client.get_access_token(code, pkce_code_verifier=verifier)
    return identity_of(adapter.read_claims(tokens), options)


def _log_in(
    request: HttpRequest, user: User, identity: Identity, next_url: str | None
) -> HttpResponse:
    """Begin a session, after the second step if the account has a second factor."""
    if request.user.is_authenticated:
        get_account_adapter(request).logout(request)
    record_authentication(request, user, "socialaccount", provider=PROVIDER_ID)
    if identity.has_second_factor:
        request.session[PROVIDER_SESSION_KEY] = user.pk
    else:
        request.session.pop(PROVIDER_SESSION_KEY, None)
    user.backend = settings.AUTHENTICATION_BACKENDS[0]
    request.is_single_sign_on = True  # type: ignore[attr-defined]
    response: HttpResponse = perform_login(
        request, Login(user=user, redirect_url=next_url)
    )
    return response


def _refused(request: HttpRequest, refusal: SsoRefused) -> HttpResponse:
    record(Kind.SINGLE_SIGN_ON_REFUSED, details={"reason": refusal.reason})
    return _page(request, refusal.reason, refusal.message, HTTPStatus.FORBIDDEN)


def _failed(request: HttpRequest, error: OAuth2Error) -> HttpResponse:
    """Answer a login that the provider or the browser has not completed."""
    logger.warning("single_sign_on_failed reason=%s", error)
    if isinstance(error, ProviderUnavailable):
        text = f"{current_options().name} does not answer. Try again in a moment."
        response = _page(request, "unavailable", text, HTTPStatus.SERVICE_UNAVAILABLE)
        response["Retry-After"] = "5"
        return response
    text = "The login was canceled, or is too old. Log in again."
    return _page(request, "invalid", text, HTTPStatus.UNAUTHORIZED)


def _page(
    request: HttpRequest, reason: str, text: str, status: HTTPStatus
) -> HttpResponse:
    context = {"reason": reason, "text": text}
    return render(request, "socialaccount/refused.html", context, status=status)
