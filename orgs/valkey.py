"""The connection to Valkey that the rate limiter, leases and debouncing share."""

from functools import cache

import redis
from django.conf import settings

# Callers wait this long for Valkey, then continue as they do without it.
_TIMEOUT_SECONDS = 0.5


@cache
def client(*, timeout_seconds: float = _TIMEOUT_SECONDS) -> redis.Redis:
    """Return this process's client; it opens connections when they are needed.

    Every command raises `redis.RedisError` if Valkey does not answer in time.
    """
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        protocol=2,
    )
