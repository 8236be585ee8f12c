"""Throttles calls to Stripe: one bucket for all processes.

A call reserves the next free token and waits for it; a second's worth may go at once.
Without Valkey each process throttles alone: Stripe's 429 is the last word anyway.
"""

import logging
import threading
import time

import redis
from django.conf import settings

from orgs.rate_limiter import RateLimiter

logger = logging.getLogger(__name__)


def wait_for_token() -> None:
    """Sleep until one more call may be sent."""
    time.sleep(_reserve_token(settings.STRIPE_CALLS_PER_SECOND))


def _reserve_token(rate: int) -> float:
    """Return the seconds to wait."""
    limiter = RateLimiter(name="stripe", rate=rate, seconds=1, burst=rate)
    try:
        return limiter.reserve_token()
    except redis.RedisError as error:
        logger.warning("stripe_throttle_not_shared error=%s", type(error).__name__)
        return _local.reserve_token(rate)


class _LocalBucket:
    """The bucket of one process, for as long as Valkey is away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._full_at = 0.0

    def reserve_token(self, rate: int) -> float:
        with self._lock:
            now = time.monotonic()
            self._full_at = max(self._full_at, now) + 1 / rate
            return max(0.0, self._full_at - now - 1)


_local = _LocalBucket()
