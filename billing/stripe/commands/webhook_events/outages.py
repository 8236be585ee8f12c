"""Stripe that does not answer must not hold all workers: few ask, the others wait."""

import logging

import redis
from django.core.cache import cache

logger = logging.getLogger(__name__)
SECONDS = 30
_NAME = "stripe_away"


def is_away() -> bool:
    """Whether somebody has waited for an answer in vain just now."""
    try:
        return bool(cache.get(_NAME))
    except redis.RedisError as error:
        logger.warning("outage_not_known error=%s", type(error).__name__)
        return False


def remember() -> None:
    try:
        cache.set(_NAME, 1, SECONDS)
    except redis.RedisError as error:
        logger.warning("outage_not_told error=%s", type(error).__name__)
