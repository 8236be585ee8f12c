"""Partitions of the events table, one a month: their size, and which are needed."""

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

    `rows` is an estimate from the statistics, nothing is counted; `bytes` includes the
    indexes.
    """

    name: str
    start: datetime
    end: datetime
    rows: int
    bytes: int


# Reads the bounds from the catalog, not from the name: old partitions are dropped by
# their bounds, so these must be true. A partition without two bounds, such as a default
# one, was not created by Orgdesk: it is neither listed nor dropped.
_PARTITIONS = r"""
select * from (
    select c.relname, substring(b.text from 'FROM \(''([^'']+)''\)')::timestamptz,
        substring(b.text from 'TO \(''([^'']+)''\)')::timestamptz as ends_at,
        greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)::bigint,
        coalesce(pg_total_relation_size(c.oid), 0)
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    cross join pg_get_expr(c.relpartbound, c.oid) b (text)
    where i.inhparent = 'metrics_usageevent'::regclass
) partitions where ends_at is not null order by ends_at
"""


def list_event_partitions() -> list[EventPartition]:
    """Return the partitions of the events table, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_PARTITIONS)
        return [EventPartition(*row) for row in cursor.fetchall()]


def has_all_events(
    days: DayRange, zone: ZoneInfo, partitions: Sequence[EventPartition]
) -> bool:
    """Return whether the partitions cover all of these days: none was dropped."""
    covered, end = (first_instant(day, zone) for day in (days.start, days.end))
    for partition in partitions:
        if partition.start <= covered < partition.end:
            covered = partition.end
    return covered >= end


# Reads the daily sums, by key at most once for each organization, so that the cost does
# not grow with the number of events.
_OPEN_PERIOD_WITH_USAGE = """
select p.organization_id from metrics_openperiod p
where exists (
    select from metrics_usage u where u.organization_id = p.organization_id
    and u.day between %s and %s and u.period = p.number)
limit 1
"""


def find_open_period_with_usage_in(partition: EventPartition) -> int | None:
    """Return an organization whose open period has usage in the partition, or null.

    The events of an open period may be needed to compute it again before it is billed.
    Looks a day further at both ends: days of a time zone begin before and end after
    those of UTC.
    """
    days = [partition.start.date() - ONE_DAY, partition.end.date()]
    with connection.cursor() as cursor:
        cursor.execute(_OPEN_PERIOD_WITH_USAGE, days)
        row = cursor.fetchone()
        return int(row[0]) if row else None
