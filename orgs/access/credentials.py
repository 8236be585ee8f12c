"""Credentials of an API call: an API key, a login token, a password or a session.

One credential is enough. The first that is sent decides: if it is invalid, the call is
refused even if another one is valid.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import jwt
from django.conf import settings
from django.contrib.auth import authenticate as check_password
from django.http import HttpRequest
from django.utils import timezone
from ninja.utils import check_csrf

from orgs.access.actors import actor_of
from orgs.access.addresses import address_block, client_address
from orgs.access.attempts import counted_attempt, remember_address
from orgs.access.backends import RoleBackend
from orgs.access.key_use import note_use
from orgs.access.limits import count_wrong_key, count_wrong_key_from
from orgs.access.permissions import row_id
from orgs.access.principals import Principal, principal_of
from orgs.access.reauthentication import require_recent_authentication
from orgs.access.request_cache import cache_organization
from orgs.access.second_factor import (
    is_code_valid,
    is_second_factor_missing_in,
    require_second_factor,
)
from orgs.catalog import Scope
from orgs.crypto import START_LENGTH, hash_key
from orgs.errors import Forbidden, SingleSignOnRequired, TwoFactorRequired
from orgs.models import ApiKey, User
from orgs.queries.accounts import find_account
from orgs.queries.key_lookup import KeyFacts, find_key
from orgs.security_log import Kind, Origin, coming_from, record

TOKEN_LIFETIME = timedelta(hours=1)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ALGORITHM = "HS256"
_COOKIE = "jwt"


def authenticate(request: HttpRequest) -> Principal | None:
    """Return the principal of a call, or None if it has no valid credential.

    Raises `Forbidden` for a write by a cookie without a CSRF token,
    `ReauthenticationRequired` for one without a recent login, and
    `TwoFactorRequired` for an account that has to set up two-factor login.
    """
    if header := request.headers.get("x-api-key"):
        return _key_principal(request, header.strip())
    if header := request.headers.get("x-jwt-token"):
        return _token_principal(request, header.strip())
    if header := request.headers.get("authorization"):
        return _authorization_principal(request, header)
    if token := _cookie_token(request):
        _require_csrf_proof(request)
        return _token_principal(request, token)
    return _session_principal(request)


def _authorization_principal(request: HttpRequest, header: str) -> Principal | None:
    kind, _, value = header.partition(" ")
    value = value.strip()
    match kind.lower():
        case "apikey":
            # Some clients put the whole header value, kind included, in their setting.
            return _key_principal(request, value.removeprefix("ApiKey "))
        case "bearer":
            if value.count(".") == 2:  # noqa: PLR2004  header.claims.signature
                return _token_principal(request, value)
            return _key_principal(request, value)
        case "basic":
            return _basic_principal(request, value)
    return None


def refuse_key(text: str, address: str) -> None:
    """Record and count a key that is not valid, of a call beside the API itself.

    Raises `RateLimited` after too many from one address.
    """
    origin = Origin(find_address=lambda: address, block_of=address_block)
    with coming_from(origin):
        record(Kind.API_KEY_REFUSED, account="any", details=_key_start(text))
    count_wrong_key_from(address)


def _key_principal(request: HttpRequest, text: str) -> Principal | None:
    """Return the principal of an API key.

    The organization that the path names is read in the same statement and cached. Only
    wrong keys are counted, so a right one pays nothing and is never refused for them.
    """
    now = timezone.now()
    path_ids = request.resolver_match.kwargs if request.resolver_match else {}
    organization_id = row_id(path_ids.get("organization_id", 0))
    key, organization = find_key(
        hash_key(text), organization_id=organization_id, now=now
    )
    if key is None:
        record(Kind.API_KEY_REFUSED, account="any", details=_key_start(text))
        count_wrong_key(request)
        return None
    note_use(key, client_address(request), now)
    if organization is not None:
        cache_organization(request, organization)
    return principal_of_key(key)


def _key_start(text: str) -> dict[str, str]:
    """Return the start of a refused key if it is one of a key that exists.

    A revoked or expired key can be recognized by it; other texts may be passwords.
    """
    start = text[:START_LENGTH]
    is_known = ApiKey.objects.filter(start=start, key_hash=hash_key(text)).exists()
    return {"start": start} if is_known else {}


def principal_of_key(key: KeyFacts) -> Principal:
    """Return the principal of an active API key."""
    return Principal(
        name=f"key {key.id}",
        scopes=frozenset(map(Scope, key.scopes)),
        white_label_id=key.white_label_id,
        organization_id=key.organization_id,
        key_id=key.id,
        label=key.label,
    )


def principal_of_owner(key: ApiKey) -> Principal | None:
    """Return what a key that asked earlier may do now; None if it is not active."""
    facts, _ = find_key(bytes(key.key_hash), organization_id=0, now=timezone.now())
    return principal_of_key(facts) if facts else None


def api_key_of(headers: Mapping[str, str]) -> str:
    """Return the API key in a WSGI environment, if nothing else can be meant by it.

    Empty for every other credential, which Django has to authenticate.
    """
    if header := headers.get("HTTP_X_API_KEY"):
        return header.strip()
    kind, _, value = headers.get("HTTP_AUTHORIZATION", "").partition(" ")
    is_plain = kind.lower() == "apikey" and not headers.get("HTTP_X_JWT_TOKEN")
    return value.strip().removeprefix("ApiKey ") if is_plain else ""


def _basic_principal(request: HttpRequest, value: str) -> Principal | None:
    """Return the principal of Basic credentials.

    The password is an API key, with any user name, or that of the named user.
    """
    try:
        decoded = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    name, _, password = decoded.partition(":")
    if password.startswith(settings.API_KEY_PREFIX):
        return _key_principal(request, password)
    user = log_in(request, name, password)
    return principal_of(user) if user else None


def _session_principal(request: HttpRequest) -> Principal | None:
    user = getattr(request, "user", None)
    if not isinstance(user, User) or not user.is_active:
        return None
    _require_csrf_proof(request)
    if is_second_factor_missing_in(request, user):
        raise TwoFactorRequired
    if request.method not in _SAFE_METHODS:
        require_recent_authentication(request)
    return principal_of(user, by_session=True)


def _require_csrf_proof(request: HttpRequest) -> None:
    """Raise `Forbidden` for a write by a cookie without a CSRF token.

    A browser sends cookies with requests that other sites make it send.
    """
    if request.method not in _SAFE_METHODS and check_csrf(request):
        raise Forbidden("The CSRF token is missing or invalid.", code="csrf_failed")


def log_in(
    request: HttpRequest, name: str, password: str, *, code: str = ""
) -> User | None:
    """Return the user of a name and password, or None if they are wrong.

    A user with a second factor also needs its `code`. The attempt is counted before the
    password is checked; raises `RateLimited` after too many failures, and `Unavailable`
    if they cannot be counted. Raises `TwoFactorRequired` for an account that has to set
    up two-factor login, and `CodeUnavailable` for one with passkeys.
    """
    require_password_login(name)
    with counted_attempt(request, find_account(name), name) as attempt:
        user = _check(request, name, password)
        if user is None or not is_code_valid(user, code):
            return None
        attempt.succeed()
    require_second_factor(user)
    remember_address(request, user)
    record(Kind.LOGIN, subject=user, actor=actor_of(user), details={"method": "API"})
    return user


def check_login(request: HttpRequest, name: str, password: str) -> User | None:
    """Return the user of a name and password, who is not logged in by this.

    The second factor is another step. Counts and raises as `log_in` does.
    """
    require_password_login(name)
    with counted_attempt(request, find_account(name), name) as attempt:
        user = _check(request, name, password)
        if user is not None:
            attempt.succeed()
    return user


def check_password_again(request: HttpRequest, user: User, password: str) -> bool:
    """Return whether a password is that of a logged-in user.

    Counts and raises as `log_in` does.
    """
    failure = Kind.REAUTHENTICATION_FAILED
    with counted_attempt(request, user, kind=failure) as attempt:
        if is_right := user.check_password(password):
            attempt.succeed()
    return is_right


def is_single_sign_on_required(name: str) -> bool:
    """Return whether the account of this name may log in at the provider only."""
    return settings.SSO_ONLY and name not in settings.SSO_BREAK_GLASS


def require_password_login(name: str) -> None:
    """Raise `SingleSignOnRequired` unless the account may log in with a password.

    Nothing is looked up or hashed: all other names get the same answer.
    """
    if is_single_sign_on_required(name):
        raise SingleSignOnRequired


def _check(request: HttpRequest, name: str, password: str) -> User | None:
    """Return the active user of a name and password; one hash, whatever is wrong."""
    user = check_password(request, username=name, password=password)
    return user if isinstance(user, User) else None


def issue_token(user: User, *, logged_in_at: int | None = None) -> str:
    """Return a signed login token, valid for an hour.

    A change of the password, of roles, or of second factors, a disabled account, or the
    end of all sessions ends it earlier. `logged_in_at` is that of the token it renews:
    a login can be renewed for `SESSION_MAX_HOURS`.
    """
    now = timezone.now()
    began = logged_in_at or int(now.timestamp())
    last = began + int(settings.SESSION_LONGEST.total_seconds())
    claims = {
        "sub": str(user.pk),
        "iat": now,
        "exp": min(int((now + TOKEN_LIFETIME).timestamp()), last),
        "was": user.get_session_auth_hash()[:16],
        "auth_time": began,
    }
    return jwt.encode(claims, _signing_key(), algorithm=_ALGORITHM)


def _token_principal(request: HttpRequest, text: str) -> Principal | None:
    claims = _token_claims(text)
    user = _token_user(claims) if claims else None
    if user is None:
        count_wrong_key(request)
        return None
    require_password_login(user.get_username())
    require_second_factor(user)
    return principal_of(user, logged_in_at=claims["auth_time"])


def _token_claims(text: str) -> dict[str, Any]:
    """Return what a token states, or nothing if it is not valid."""
    try:
        claims: dict[str, Any] = jwt.decode(
            text,
            _signing_key(),
            algorithms=[_ALGORITHM],
            options={"require": ["sub", "exp", "was", "auth_time"]},
        )
    except jwt.InvalidTokenError:
        return {}
    return claims


def _token_user(claims: dict[str, Any]) -> User | None:
    user = RoleBackend().get_user(int(claims["sub"]))
    if user is None or user.get_session_auth_hash()[:16] != claims["was"]:
        return None
    return user


def _signing_key() -> str:
    return f"login token:{settings.SECRET_KEY}"


def _cookie_token(request: HttpRequest) -> str:
    """Return the login token in the cookie `jwt`, or in a cookie without a name.

    The Python client of contract A sends it without a name.
    """
    if cookie := request.COOKIES.get(_COOKIE):
        return unquote(cookie)
    header = request.headers.get("cookie", "")
    return header.strip() if header and "=" not in header else ""
