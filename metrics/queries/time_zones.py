"""Do PostgreSQL and Python cut days alike? Each has rules of time zones of its own."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import connection

from metrics.events import KEPT

_STEP = timedelta(hours=6)  # as below; a change of clocks lasts longer

_OFFSETS = """
select zone, array_agg(
    extract(epoch from (at at time zone zone) - (at at time zone 'UTC'))::integer
    order by at)
from (select distinct time_zone from orgs_whitelabel) w (zone)
cross join generate_series(%s::timestamptz, %s, interval '6 hours') at
group by zone order by zone
"""


def find_conflicting_zones(now: datetime) -> list[str]:
    """Zones of white labels whose clocks they set differently about now.

    Looked at from the oldest event that is still taken to as far ahead. Sums are not in
    danger: an event's day is cut once, when it is recorded, and kept as a date. But a
    day cut by the one, and what the other calls today, would be an hour apart.
    """
    first = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - KEPT
    with connection.cursor() as cursor:
        cursor.execute(_OFFSETS, [first, now + KEPT])
        return [
            zone
            for zone, offsets in cursor.fetchall()
            if offsets != _offsets(ZoneInfo(zone), first, len(offsets))
        ]


def _offsets(zone: ZoneInfo, first: datetime, count: int) -> list[int]:
    """Seconds east of UTC at every step."""
    instants = (first + number * _STEP for number in range(count))
    found = (instant.astimezone(zone).utcoffset() for instant in instants)
    return [int(offset.total_seconds()) for offset in found if offset is not None]
