"""How many rows a list has, without counting millions for every page."""

import json
import logging
from typing import Any

import redis
from django.core.cache import cache
from django.db.models import QuerySet

logger = logging.getLogger(__name__)
EXACT_UP_TO = 10_000
_KEPT_SECONDS = 60


def count_or_estimate(rows: QuerySet[Any]) -> int:
    """Exact up to 10,000; beyond, what the planner expects. Reads 10,001 rows."""
    found = rows.order_by()[: EXACT_UP_TO + 1].count()
    if found <= EXACT_UP_TO:
        return found
    [explained] = json.loads(rows.order_by().explain(format="json"))
    return max(found, int(explained["Plan"]["Plan Rows"]))


def count_now_and_then(rows: QuerySet[Any], *, name: str) -> int:
    """Exact; beyond 10,000 counted once a minute and kept under `name`."""
    found = rows.order_by()[: EXACT_UP_TO + 1].count()
    if found <= EXACT_UP_TO:
        return found
    try:
        kept = cache.get_or_set(f"count:{name}", rows.count, _KEPT_SECONDS)
    except redis.RedisError as error:
        logger.warning("count_not_kept error=%s", type(error).__name__)
        kept = None
    return rows.count() if kept is None else int(kept)
