"""Rate limits of API calls per organization and key, and of login attempts per address.

A window of a minute begins with its first call; all of its calls may be made at once,
and no more until it ends. If Valkey is down, API calls are not limited, because usage
must not be lost, and logins are refused, because passwords could be guessed.
"""

import logging
import math

import redis
from allauth.account.adapter import get_adapter
from django.http import HttpRequest

from orgs.access.principals import Principal
from orgs.errors import RateLimited, Unavailable
from orgs.models import Organization
from orgs.rate_limiter import RateLimiter

logger = logging.getLogger(__name__)
_MINUTE_SECONDS = 60
KEY_CALLS_PER_MINUTE = 6_000  # for calls that name no organization
LOGIN_ATTEMPTS = 20
LOGIN_WINDOW_SECONDS = 300


def count_call(
    principal: Principal, organization: Organization | None = None, *, code: str = ""
) -> None:
    """Count a call of an API key or token; those of a browser session are unlimited.

    Raises `RateLimited` with the seconds to wait, and with `code` if the contract
    defines one. A refused call takes no token, so waiting always helps.
    """
    if principal.by_session:
        return
    caller = (
        f"key:{principal.key_id}" if principal.key_id else f"user:{principal.user_id}"
    )
    if organization is None:
        name, limit = f"calls:{caller}", KEY_CALLS_PER_MINUTE
    else:
        limit = organization.rate_limit or organization.white_label.default_rate_limit
        name = f"calls:{organization.pk}:{caller}"
    try:
        _acquire_token(_limiter(name, limit, _MINUTE_SECONDS), code)
    except redis.RedisError as error:
        logger.warning("call_not_counted error=%s", type(error).__name__)


def count_login_attempt(request: HttpRequest) -> None:
    """Count a login before its password is checked.

    Raises `RateLimited` after too many attempts and `Unavailable` without Valkey.
    """
    try:
        _acquire_token(_login_limiter(request))
    except redis.RedisError as error:
        logger.warning("login_not_counted error=%s", type(error).__name__)
        raise Unavailable("Login is unavailable. Try again in 5 s.") from None


def uncount_login_attempt(request: HttpRequest) -> None:
    """Return the token of an attempt that succeeded: only failures are limited."""
    try:
        _login_limiter(request).return_token()
    except redis.RedisError as error:
        logger.warning("login_token_not_returned error=%s", type(error).__name__)


def _login_limiter(request: HttpRequest) -> RateLimiter:
    name = f"logins:{get_adapter(request).get_client_ip(request)}"
    return _limiter(name, LOGIN_ATTEMPTS, LOGIN_WINDOW_SECONDS)


def _limiter(name: str, limit: int, seconds: int) -> RateLimiter:
    """Return a limiter of whole windows: never more than `limit` calls in one."""
    return RateLimiter(
        name=name, rate=limit, seconds=seconds, burst=limit, refill=limit
    )


def _acquire_token(limiter: RateLimiter, code: str = "") -> None:
    if wait := limiter.acquire_token():
        raise RateLimited(retry_after=math.ceil(wait), code=code)
