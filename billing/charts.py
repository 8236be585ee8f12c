"""What billing adds to the picture of costs."""

from zoneinfo import ZoneInfo

from billing.queries import Outlook
from metrics.periods import Grain, day_of
from orgs.charts import Limit


def limit_line(ahead: Outlook, *, grain: Grain, zone: ZoneInfo) -> Limit | None:
    """The next spending limit: whole beside months, beside days its even share.

    Without an end of the period there is no share.
    """
    limit = ahead.next_limit
    if limit is None:
        return None
    if grain is Grain.MONTHLY:
        return Limit(limit.amount, limit.label)
    if ahead.ends_on is None:
        return None
    days = max((ahead.ends_on - day_of(ahead.starts_at, zone)).days, 1)
    return Limit(limit.amount / days, f"daily pace of the {limit.label}")
