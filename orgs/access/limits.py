"""Rate limits of API calls per organization and key, and of wrong keys per address.

A window of a minute begins with its first call; all of its calls may be made at once,
and no more until it ends. If Valkey is down, API calls are not limited, because usage
must not be lost. Passwords and codes are counted in `orgs.access.attempts`.
"""

import logging
import math

import redis
from django.http import HttpRequest

from orgs.access.addresses import address_block, client_address
from orgs.access.principals import Principal
from orgs.errors import RateLimited
from orgs.models import Organization
from orgs.rate_limiter import RateLimiter

logger = logging.getLogger(__name__)
_MINUTE_SECONDS = 60
KEY_CALLS_PER_MINUTE = 6_000  # for calls that name no organization
WRONG_KEYS_PER_MINUTE = 60  # of an address; its right keys are never refused for them


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


def count_wrong_key(request: HttpRequest) -> None:
    """Count a call with an API key or login token that is not valid.

    Raises `RateLimited` as `count_wrong_key_from` does.
    """
    count_wrong_key_from(client_address(request))


def count_wrong_key_from(address: str) -> None:
    """Count a wrong key from an address.

    Raises `RateLimited` after too many from one address in a minute. Without Valkey
    they are only logged: keys are too long to be guessed.
    """
    name = f"wrong-keys:{address_block(address)}"
    try:
        _acquire_token(_limiter(name, WRONG_KEYS_PER_MINUTE, _MINUTE_SECONDS))
    except redis.RedisError as error:
        logger.warning("wrong_key_not_counted error=%s", type(error).__name__)


def _limiter(name: str, limit: int, seconds: int) -> RateLimiter:
    """Return a limiter of whole windows: never more than `limit` calls in one."""
    return RateLimiter(
        name=name, rate=limit, seconds=seconds, burst=limit, refill=limit
    )


def _acquire_token(limiter: RateLimiter, code: str = "") -> None:
    if wait := limiter.acquire_token():
        raise RateLimited(retry_after=math.ceil(wait), code=code)
