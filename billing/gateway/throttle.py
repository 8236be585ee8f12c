"""Throttle of calls to Stripe: one token bucket for all processes.

A call reserves the next free token and waits for it; the tokens of one second may be
used at once. Without Valkey each process throttles its own calls, and Stripe's 429
limits their sum.
"""

import logging
import threading
import time

import redis
from django.conf import settings

from orgs.rate_limiter import RateLimiter

logger = logging.getLogger(__name__)


def wait_for_token() -> None:
    """Sleep until the throttle lets one more call through."""
    time.sleep(_reserve_token(settings.STRIPE_CALLS_PER_SECOND))


def _reserve_token(rate: int) -> float:
    """Reserve a token and return the seconds to wait for it."""
    limiter = RateLimiter(name="stripe", rate=rate, seconds=1, burst=rate)
    try:
        return limiter.reserve_token()
    except redis.RedisError as error:
        logger.warning("stripe_throttle_not_shared error=%s", type(error).__name__)
        return _local.reserve_token(rate)


class _LocalBucket:
    """Token bucket of one process, used while Valkey is unreachable."""

    def __init__(self) -> None:
        # Held for a few instructions and never across a sleep or a call.
        self._lock = threading.Lock()
        self._full_at = 0.0

    def reserve_token(self, rate: int) -> float:
        """Reserve a token and return the seconds to wait for it."""
        with self._lock:
            now = time.monotonic()
            self._full_at = max(self._full_at, now) + 1 / rate
            return max(0.0, self._full_at - now - 1)


_local = _LocalBucket()
