"""Creating monthly partitions of usage events ahead of time, and dropping old ones."""

import logging
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from metrics.commands.locks import LOCK_PARTITIONS
from metrics.events import MAX_AGE, MAX_AHEAD
from metrics.periods import add_months
from metrics.queries.partitions import (
    EventPartition,
    find_open_period_with_usage_in,
    list_event_partitions,
)

logger = logging.getLogger(__name__)
MONTHS_AHEAD = 3  # recording fails if the periodic task has not run for so long


def make_partitions(*, since: date | None = None) -> list[str]:
    """Create the partitions for events of now and of the next three months.

    Also those from the month of `since` on, if that is older than any reported event
    may be. Returns the names of new partitions. A periodic task calls it ahead of time,
    and loading commands before they begin; recording never does. Recording is not
    blocked.
    """
    today = timezone.now().date()
    month = min(today - MAX_AGE, since or today).replace(day=1)
    last = add_months((today + MAX_AHEAD).replace(day=1), MONTHS_AHEAD)
    created = []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_PARTITIONS)
        existing = _partition_names()
        while month <= last:
            name = f"metrics_usageevent_{month:%Y_%m}"
            if name not in existing:
                _create_partition(month)
                created.append(name)
            month = add_months(month, 1)
    return created


def can_make_partitions() -> bool:
    """Return whether the events table exists: not after all migrations are undone."""
    with connection.cursor() as cursor:
        cursor.execute("select to_regclass('metrics_usageevent') is not null")
        return bool(cursor.fetchone()[0])


def _partition_names() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
            " where i.inhparent = 'metrics_usageevent'::regclass"
        )
        return {name for (name,) in cursor.fetchall()}


def _create_partition(month: date) -> None:
    """Create a month by a function that has the rights of the table's owner."""
    with connection.cursor() as cursor:
        cursor.execute("select metrics_create_month(%s)", [month])


# Dropping locks the events table exclusively, for milliseconds once it has the lock. As
# long as it waits for recordings in flight, new recordings queue behind it: this limits
# that wait.
_SET_LOCK_TIMEOUT = "set local lock_timeout = '500ms'"
_LOCK_NOT_AVAILABLE = "55P03"


class DropOutcome(StrEnum):
    """What happened to a partition that is older than the retention."""

    DROPPED = "dropped"
    DUE = "due"  # a dry run: it would be dropped
    NEEDED = "needed"  # an open period has usage in it
    BUSY = "busy"  # the lock timed out; the periodic task tries again


@dataclass(frozen=True, slots=True)
class ExpiredPartition:
    """A partition older than the retention, and what happened to it.

    `organization_id` is an organization whose open period needs it.
    """

    name: str
    outcome: DropOutcome
    organization_id: int | None = None


def drop_partitions(*, dry_run: bool = False) -> list[ExpiredPartition]:
    """Drop the partitions that ended before the retention; return what happened.

    Only events are dropped, whole months of them: daily usage and metrics, periods, and
    invoices stay. A month stays while the open period of any organization has usage in
    it, however old, because that period may have to be recomputed before it is billed.
    Each partition is dropped in a separate transaction. The first busy one ends the
    run, so that recording is blocked once and not once per partition.
    """
    if settings.USAGE_EVENT_RETENTION is None:
        return []
    before = timezone.now() - settings.USAGE_EVENT_RETENTION
    expired = []
    for month in [month for month in list_event_partitions() if month.end <= before]:
        partition = _drop_unless_needed(month, dry_run=dry_run)
        if partition is not None:
            expired.append(partition)
            if partition.outcome is DropOutcome.BUSY:
                break
    return expired


def _drop_unless_needed(
    month: EventPartition, *, dry_run: bool
) -> ExpiredPartition | None:
    """Drop a partition; return None if another process has dropped it meanwhile."""
    # No lock is needed for this question: nothing is recorded into a month this old any
    # more, and closed periods are never opened again.
    needed_by = find_open_period_with_usage_in(month)
    if needed_by is not None:
        return ExpiredPartition(month.name, DropOutcome.NEEDED, needed_by)
    if dry_run:
        return ExpiredPartition(month.name, DropOutcome.DUE)
    try:
        if not _drop_partition(month.name):
            return None
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        logger.warning("usage_month_busy month=%s", month.name)
        return ExpiredPartition(month.name, DropOutcome.BUSY)
    logger.info("usage_month_dropped month=%s rows=%d", month.name, month.rows)
    return ExpiredPartition(month.name, DropOutcome.DROPPED)


@transaction.atomic(durable=True)
def _drop_partition(name: str) -> bool:
    """Drop a partition; return whether it existed.

    Detaching locks the events table before the partition, in the order of recordings. A
    plain `drop table` locks the partition first and would deadlock with them.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SET_LOCK_TIMEOUT)
        cursor.execute(LOCK_PARTITIONS)
        if name not in _partition_names():
            return False
        cursor.execute("select metrics_drop_month(%s)", [name])
    return True
