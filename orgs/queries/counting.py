"""Row counts of long lists, without counting millions of rows for every page."""

import json
import logging
from typing import Any

import redis
from django.core.cache import cache
from django.db.models import QuerySet

logger = logging.getLogger(__name__)
EXACT_UP_TO = 10_000
_CACHE_SECONDS = 60


def count_or_estimate(rows: QuerySet[Any]) -> int:
    """Return the number of rows: exact up to 10,000, above that an estimate.

    Counts at most 10,001 rows; the estimate is the planner's.
    """
    counted = rows.order_by()[: EXACT_UP_TO + 1].count()
    if counted <= EXACT_UP_TO:
        return counted
    [explained] = json.loads(rows.order_by().explain(format="json"))
    return max(counted, int(explained["Plan"]["Plan Rows"]))


def count_cached(rows: QuerySet[Any], *, name: str) -> int:
    """Return the number of rows: above 10,000 it may be a minute old.

    `name` identifies the list in the cache. Without Valkey all rows are counted.
    """
    counted = rows.order_by()[: EXACT_UP_TO + 1].count()
    if counted <= EXACT_UP_TO:
        return counted
    try:
        cached = cache.get_or_set(f"count:{name}", rows.count, _CACHE_SECONDS)
    except redis.RedisError as error:
        logger.warning("count_not_cached error=%s", type(error).__name__)
        cached = None
    return rows.count() if cached is None else int(cached)
