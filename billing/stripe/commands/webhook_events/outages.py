"""Outages of Stripe, remembered for half a minute.

While Stripe does not answer, every event would occupy a worker until its deadline. So
after one unanswered event the others are put back until the outage is forgotten.
Without Valkey no outage is remembered and each event waits for its own deadline.
"""

import logging

import redis
from django.core.cache import cache

logger = logging.getLogger(__name__)
SECONDS = 30
_NAME = "stripe_away"


def is_away() -> bool:
    """Return whether Stripe left a request unanswered in the last 30 seconds."""
    try:
        return bool(cache.get(_NAME))
    except redis.RedisError as error:
        logger.warning("outage_not_known error=%s", type(error).__name__)
        return False


def remember() -> None:
    """Remember for 30 seconds that Stripe did not answer."""
    try:
        cache.set(_NAME, 1, SECONDS)
    except redis.RedisError as error:
        logger.warning("outage_not_remembered error=%s", type(error).__name__)
