"""Comparison of PostgreSQL's time zone rules with Python's: each has its own copy."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import connection

from metrics.events import MAX_AGE

# As in `_OFFSETS`; shorter than any time between two changes of the clocks.
_STEP = timedelta(hours=6)

# Seconds east of UTC in each zone in use, every six hours of a range.
_OFFSETS = """
select zone, array_agg(
    extract(epoch from (at at time zone zone) - (at at time zone 'UTC'))::integer
    order by at)
from (select distinct time_zone from orgs_whitelabel) w (zone)
cross join generate_series(%s::timestamptz, %s, interval '6 hours') at
group by zone order by zone
"""


def find_conflicting_zones(now: datetime) -> list[str]:
    """Return the zones of white labels for which the two have different rules.

    Compares from the oldest event that is still accepted to as far ahead. Sums stay
    correct: an event's day is computed once, when it is recorded, and stored as a date.
    But the start of a day in PostgreSQL and in Python would be an hour apart.
    """
    first = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - MAX_AGE
    with connection.cursor() as cursor:
        cursor.execute(_OFFSETS, [first, now + MAX_AGE])
        return [
            zone
            for zone, offsets in cursor.fetchall()
            if offsets != _offsets(ZoneInfo(zone), first, len(offsets))
        ]


def _offsets(zone: ZoneInfo, first: datetime, count: int) -> list[int]:
    """Return the seconds east of UTC at every step."""
    instants = (first + number * _STEP for number in range(count))
    offsets = (instant.astimezone(zone).utcoffset() for instant in instants)
    return [int(offset.total_seconds()) for offset in offsets if offset is not None]
