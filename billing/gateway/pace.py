"""How often we ask Stripe: one bucket for all processes, by a script in Valkey.

Each call takes the next free place and waits for it; a second's worth may go at once.
Without Valkey every process counts for itself: Stripe's 429 is the last word anyway.
"""

import logging
import threading
import time
from functools import cache
from typing import Any

import redis
from django.conf import settings

logger = logging.getLogger(__name__)
_NAME = "orgdesk:stripe_calls"

# Answers the microseconds to wait. The key holds when the bucket will be full again.
_TAKE = """
local t = redis.call('time')
local now = t[1] * 1000000 + t[2]
local step = 1000000 / tonumber(ARGV[1])
local full = math.max(tonumber(redis.call('get', KEYS[1]) or '0'), now) + step
redis.call('set', KEYS[1], string.format('%.0f', full), 'px', 60000)
return math.max(0, math.floor(full - now - 1000000))
"""


def wait_for_turn() -> None:
    time.sleep(_take(settings.STRIPE_CALLS_PER_SECOND))


def _take(rate: int) -> float:
    """Seconds to wait."""
    try:
        return int(_script()(keys=[_NAME], args=[rate])) / 1_000_000
    except redis.RedisError as error:
        logger.warning("stripe_calls_not_shared error=%s", type(error).__name__)
        return _alone.take(rate)


class _Bucket:
    """The same in one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._full_at = 0.0

    def take(self, rate: int) -> float:
        with self._lock:
            now = time.monotonic()
            self._full_at = max(self._full_at, now) + 1 / rate
            return max(0.0, self._full_at - now - 1)


_alone = _Bucket()


@cache
def _script() -> Any:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5, protocol=2
    )
    return client.register_script(_TAKE)
