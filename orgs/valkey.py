"""The connection to Valkey that limiters and leases share."""

from functools import cache

import redis
from django.conf import settings

# A caller waits this long for an answer, and then does what it does without Valkey.
_TIMEOUT_SECONDS = 0.5


@cache
def client() -> redis.Redis:
    """Return this process's client; it opens connections when they are needed.

    Every command raises `redis.RedisError` when Valkey is away.
    """
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        protocol=2,
    )
