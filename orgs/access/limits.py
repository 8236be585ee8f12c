"""How often: calls per organization and key, tries to log in per address.

Counted in Valkey by one script, so that parallel calls cannot slip through between
reading and writing. A window begins with its first call. When Valkey is down, calls go
on uncounted and logins are closed: a bill is better late than a password guessed.
"""

import logging
from functools import cache
from typing import Any

import redis
from allauth.account.adapter import get_adapter
from django.conf import settings
from django.http import HttpRequest

from orgs.access.principals import Principal
from orgs.errors import RateLimited, Unavailable
from orgs.models import Organization

logger = logging.getLogger(__name__)
MINUTE = 60
KEY_CALLS_A_MINUTE = 6_000  # of calls that name no organization
LOGIN_TRIES = 20
LOGIN_WINDOW_SECONDS = 300
_TIMEOUT = 0.5

# Counts a call and answers how many there were and the milliseconds until they are
# forgotten. A call over the limit is not counted, so waiting always helps.
_COUNT = """
local n = tonumber(redis.call('get', KEYS[1]) or '0')
if n >= tonumber(ARGV[1]) then return {n + 1, redis.call('pttl', KEYS[1])} end
n = redis.call('incr', KEYS[1])
if n == 1 then redis.call('pexpire', KEYS[1], ARGV[2]) end
return {n, redis.call('pttl', KEYS[1])}
"""


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=_TIMEOUT,
        socket_connect_timeout=_TIMEOUT,
        protocol=2,
    )


@cache
def _script() -> Any:
    return _client().register_script(_COUNT)


def count_call(
    principal: Principal, organization: Organization | None = None, *, code: str = ""
) -> None:
    """Raises `RateLimited` with the seconds to wait; people's sessions don't count.

    `code` is the error's, where a contract has its own.
    """
    if principal.by_session:
        return
    who = f"key:{principal.key_id}" if principal.key_id else f"user:{principal.user_id}"
    if organization is None:
        name, limit = f"calls:{who}", KEY_CALLS_A_MINUTE
    else:
        limit = organization.rate_limit or organization.white_label.default_rate_limit
        name = f"calls:{organization.pk}:{who}"
    try:
        _count(name, limit, MINUTE, code)
    except redis.RedisError as error:
        logger.warning("call_not_counted error=%s", type(error).__name__)


def login_attempt(request: HttpRequest) -> None:
    """Counts a try before it is made; raises `RateLimited` or `Unavailable`."""
    try:
        _count(_login_name(request), LOGIN_TRIES, LOGIN_WINDOW_SECONDS)
    except redis.RedisError as error:
        logger.warning("login_not_counted error=%s", type(error).__name__)
        raise Unavailable("Login is unavailable. Try again in 5 s.") from None


def login_succeeded(request: HttpRequest) -> None:
    """Takes the try back: those who know their password may come often."""
    try:
        _client().decr(f"orgdesk:{_login_name(request)}")
    except redis.RedisError as error:
        logger.warning("login_not_taken_back error=%s", type(error).__name__)


def _login_name(request: HttpRequest) -> str:
    return f"logins:{get_adapter(request).get_client_ip(request)}"


def _count(name: str, limit: int, seconds: int, code: str = "") -> None:
    key = f"orgdesk:{name}"
    count, left = _script()(keys=[key], args=[limit, seconds * 1000])
    if count > limit:
        raise RateLimited(retry_after=max(1, -(-int(left) // 1000)), code=code)
