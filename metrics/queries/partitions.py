"""The months of the events table: how large they are, and whether one is needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import connection

from metrics.periods import DayRange
from orgs.days import ONE_DAY, first_instant


@dataclass(frozen=True, slots=True)
class EventPartition:
    """A partition of the events table, from `start` up to but not including `end`.

    `rows` is the planner's estimate, nothing is counted; `bytes` has the indexes in.
    """

    name: str
    start: datetime
    end: datetime
    rows: int
    bytes: int


# The bounds count, not the name: what is dropped by them has to be what it says. A
# partition without two bounds is none of ours, and neither listed nor dropped.
_MONTHS = r"""
select * from (
    select c.relname, substring(b.text from 'FROM \(''([^'']+)''\)')::timestamptz,
        substring(b.text from 'TO \(''([^'']+)''\)')::timestamptz as ends_at,
        greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)::bigint,
        coalesce(pg_total_relation_size(c.oid), 0)
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    cross join pg_get_expr(c.relpartbound, c.oid) b (text)
    where i.inhparent = 'metrics_usageevent'::regclass
) months where ends_at is not null order by ends_at
"""


def list_event_partitions() -> list[EventPartition]:
    """Oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_MONTHS)
        return [EventPartition(*row) for row in cursor.fetchall()]


def has_all_events(
    days: DayRange, zone: ZoneInfo, months: Sequence[EventPartition]
) -> bool:
    """Whether the months reach over all of these days: none of them was dropped."""
    reached, end = (first_instant(day, zone) for day in (days.start, days.end))
    for month in months:
        if month.start <= reached < month.end:
            reached = month.end
    return reached >= end


_NEEDED = """
select p.organization_id from metrics_openperiod p
where exists (
    select from metrics_usage u where u.organization_id = p.organization_id
    and u.day between %s and %s and u.period = p.number)
limit 1
"""


def find_open_period_with_usage_in(month: EventPartition) -> int | None:
    """An organization whose open period has usage in the month, if there is one.

    Its events may be needed to compute the period again before it is billed. Asked of
    the daily sums, at most once by key for each organization, so that the cost does
    not grow with the events; a day more at both ends, as days of zones begin before
    and end after the month's in UTC.
    """
    days = [month.start.date() - ONE_DAY, month.end.date()]
    with connection.cursor() as cursor:
        cursor.execute(_NEEDED, days)
        row = cursor.fetchone()
        return int(row[0]) if row else None
