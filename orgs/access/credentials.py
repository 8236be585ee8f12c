"""Credentials of an API call: a key in any of its forms, a login token, a session.

Any of these alone is enough; one that is sent and wrong is refused, whatever else is.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import unquote

import jwt
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth import authenticate as check_password
from django.http import HttpRequest
from django.utils import timezone
from ninja.utils import check_csrf

from orgs.access.backends import RoleBackend
from orgs.access.limits import login_attempt, login_succeeded
from orgs.access.permissions import row_id
from orgs.access.principals import Principal, principal_of
from orgs.access.request_cache import cache_organization
from orgs.catalog import Scope
from orgs.crypto import hash_key
from orgs.errors import Forbidden
from orgs.models import ApiKey, User
from orgs.queries.key_lookup import KeyFacts, find_key

TOKEN_LASTS = timedelta(hours=1)
_NOTE_USE_EVERY = timedelta(minutes=1)  # a write a minute per key, not per call
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ALGORITHM = "HS256"
_COOKIE = "jwt"


def authenticate(request: HttpRequest) -> Principal | None:
    """The principal of a call, or nobody; raises for a session without its token."""
    if header := request.headers.get("x-api-key"):
        return _of_key(request, header.strip())
    if header := request.headers.get("x-jwt-token"):
        return _of_token(header.strip())
    if header := request.headers.get("authorization"):
        return _of_authorization(request, header)
    if token := _cookie_token(request):
        return _of_token(token)
    return _of_session(request)


def _of_authorization(request: HttpRequest, header: str) -> Principal | None:
    kind, _, value = header.partition(" ")
    value = value.strip()
    match kind.lower():
        case "apikey":
            # Some clients put the whole header value, kind included, in their setting.
            return _of_key(request, value.removeprefix("ApiKey "))
        case "bearer":
            if value.count(".") == 2:  # noqa: PLR2004  header.claims.signature
                return _of_token(value)
            return _of_key(request, value)
        case "basic":
            return _of_basic(request, value)
    return None


def _of_key(request: HttpRequest, text: str) -> Principal | None:
    """Reads the organization that the path names along with the key."""
    now = timezone.now()
    named = request.resolver_match.kwargs if request.resolver_match else {}
    key, organization = find_key(
        hash_key(text), organization_id=row_id(named.get("organization_id", 0)), now=now
    )
    if key is None:
        return None
    if organization is not None:
        cache_organization(request, organization)
    if not may_wait(key.used_at, now):
        ApiKey.objects.filter(pk=key.id).update(last_used_at=now)
    return principal_of_key(key)


def may_wait(used_at: datetime | None, now: datetime) -> bool:
    """Whether the use of a key was noted lately."""
    return used_at is not None and now - used_at <= _NOTE_USE_EVERY


def principal_of_key(key: KeyFacts) -> Principal:
    return Principal(
        name=f"key {key.id}",
        scopes=frozenset(map(Scope, key.scopes)),
        white_label_id=key.white_label_id,
        organization_id=key.organization_id,
        key_id=key.id,
    )


def key_text(headers: Mapping[str, str]) -> str:
    """The key in WSGI's headers, when it is plainly one: not a token, not Basic."""
    if header := headers.get("HTTP_X_API_KEY"):
        return header.strip()
    kind, _, value = headers.get("HTTP_AUTHORIZATION", "").partition(" ")
    is_plain = kind.lower() == "apikey" and not headers.get("HTTP_X_JWT_TOKEN")
    return value.strip().removeprefix("ApiKey ") if is_plain else ""


def _of_basic(request: HttpRequest, value: str) -> Principal | None:
    """Any user name with a key as password, or a person's own."""
    try:
        decoded = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    name, _, password = decoded.partition(":")
    if password.startswith(settings.API_KEY_PREFIX):
        return _of_key(request, password)
    user = log_in(request, name, password)
    return principal_of(user) if user else None


def _of_session(request: HttpRequest) -> Principal | None:
    user = getattr(request, "user", None)
    if not isinstance(user, User) or not user.is_active:
        return None
    if request.method not in _SAFE_METHODS and check_csrf(request):
        raise Forbidden("The CSRF token is missing or invalid.", code="csrf_failed")
    return principal_of(user, by_session=True)


# --- people -----------------------------------------------------------------------


def log_in(
    request: HttpRequest, name: str, password: str, *, code: str = ""
) -> User | None:
    """The account these belong to; a second factor, where there is one, must be right.

    Tries are counted per address before the password is looked at; raises
    `RateLimited` when there were too many, `Unavailable` when nobody can count.
    """
    if "\x00" in name or "\x00" in password:
        name = password = ""  # counted as the failure it is
    login_attempt(request)
    user = check_password(request, username=_username(name), password=password)
    if isinstance(user, User) and _second_factor(user, code):
        login_succeeded(request)
        return user
    return None


def _username(name: str) -> str:
    """People log in by name or e-mail address, as on the login page."""
    if "@" in name:
        found = User.objects.filter(email__iexact=name).values_list("username")[:2]
        if len(found) == 1:
            return str(found[0][0])
    return name


def _second_factor(user: User, code: str) -> bool:
    if not is_mfa_enabled(user):
        return True
    from allauth.mfa.models import Authenticator  # noqa: PLC0415  needs the app registry

    if not code:
        return False
    kinds = [Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES]
    return any(
        authenticator.wrap().validate_code(code)
        for authenticator in Authenticator.objects.filter(user=user, type__in=kinds)
    )


# --- login tokens -----------------------------------------------------------------


def issue_token(user: User) -> str:
    """A signed token for an hour; a changed password or a disabled account ends it."""
    now = timezone.now()
    claims = {
        "sub": str(user.pk),
        "iat": now,
        "exp": now + TOKEN_LASTS,
        "was": user.get_session_auth_hash()[:16],
    }
    return jwt.encode(claims, _signing_key(), algorithm=_ALGORITHM)


def _of_token(text: str) -> Principal | None:
    try:
        claims = jwt.decode(
            text,
            _signing_key(),
            algorithms=[_ALGORITHM],
            options={"require": ["sub", "exp", "was"]},
        )
    except jwt.InvalidTokenError:
        return None
    user = RoleBackend().get_user(int(claims["sub"]))
    if user is None or user.get_session_auth_hash()[:16] != claims["was"]:
        return None
    return principal_of(user)


def _signing_key() -> str:
    return f"login token:{settings.SECRET_KEY}"


def _cookie_token(request: HttpRequest) -> str:
    """`jwt=…`, or a bare value: contract A's Python client sends it without a name."""
    if named := request.COOKIES.get(_COOKIE):
        return unquote(named)
    bare = request.headers.get("cookie", "")
    return bare.strip() if bare and "=" not in bare else ""
