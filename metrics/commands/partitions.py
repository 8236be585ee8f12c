"""The months of the events table: made ahead, and dropped when they are old enough."""

import logging
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from psycopg import sql

from metrics.events import AHEAD, KEPT
from metrics.periods import add_months
from metrics.queries.partitions import (
    EventPartition,
    find_open_period_with_usage_in,
    list_event_partitions,
)

logger = logging.getLogger(__name__)
MONTHS_AHEAD = 3  # how long the beat may be dead before recording fails

# Two at once would both find a month missing, or still there; the second waits.
_ALONE = "select pg_advisory_xact_lock(hashtext('usage partitions'))"

# `partition of` would stop all recording while it waits for the one in flight.
_CREATE = sql.SQL(
    "create table {name} (like metrics_usageevent including all);"
    " alter table metrics_usageevent attach partition {name}"
    " for values from ({start}) to ({end})"
)


def make_partitions() -> list[str]:
    """Make the months an event may fall into now and in the next three; names new ones.

    Recording never does it, so that it never finds a month half made: the beat does,
    ahead of time, and loading commands before they begin. Recording goes on meanwhile.
    """
    today = timezone.now().date()
    month = (today - KEPT).replace(day=1)
    last = add_months((today + AHEAD).replace(day=1), MONTHS_AHEAD)
    made = []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ALONE)
        existing = _existing()
        while month <= last:
            name = f"metrics_usageevent_{month:%Y_%m}"
            if name not in existing:
                _make(name, month)
                made.append(name)
            month = add_months(month, 1)
    return made


def can_make_partitions() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select to_regclass('metrics_usageevent') is not null")
        return bool(cursor.fetchone()[0])


def _existing() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
            " where i.inhparent = 'metrics_usageevent'::regclass"
        )
        return {name for (name,) in cursor.fetchall()}


def _make(name: str, month: date) -> None:
    start, end = (f"{day} 00:00+00" for day in (month, add_months(month, 1)))
    with connection.cursor() as cursor:
        cursor.execute(
            _CREATE.format(
                name=sql.Identifier(name),
                start=sql.Literal(start),
                end=sql.Literal(end),
            )
        )


# --- dropping ---------------------------------------------------------------------

# Dropping locks the whole events table, for milliseconds once it has the lock. While it
# waits for a recording in flight the next ones wait behind it: for no longer than this.
_LOCK_WAIT = "set local lock_timeout = '500ms'"
_LOCK_NOT_AVAILABLE = "55P03"


class Fate(StrEnum):
    """What became of a month that is older than the retention."""

    DROPPED = "dropped"
    DUE = "due"  # would be dropped: this was a dry run
    NEEDED = "needed"  # an open period has usage in it
    BUSY = "busy"  # somebody was recording for longer than we wait; the beat comes back


@dataclass(frozen=True, slots=True)
class Outdated:
    """A month older than the retention; of a needed one, for whom it is kept."""

    name: str
    fate: Fate
    organization_id: int | None = None


def drop_partitions(*, dry_run: bool = False) -> list[Outdated]:
    """Drop the months that ended before the retention; answers what became of each.

    Only events go, whole months of them: daily sums and metrics, periods and invoices
    stay. A month is kept while the open period of any organization has usage in it,
    however old: it may have to be computed again before it is billed. Each month is a
    transaction of its own; the first that is busy ends the round until the next time,
    so that recording is held up once and not for every month.
    """
    if settings.USAGE_EVENT_RETENTION is None:
        return []
    before = timezone.now() - settings.USAGE_EVENT_RETENTION
    fates = []
    for month in [month for month in list_event_partitions() if month.end <= before]:
        outdated = _judged(month, dry_run=dry_run)
        if outdated is not None:
            fates.append(outdated)
            if outdated.fate is Fate.BUSY:
                break
    return fates


def _judged(month: EventPartition, *, dry_run: bool) -> Outdated | None:
    """Nothing for a month that somebody else has dropped meanwhile."""
    # Asked outside the lock: nothing is recorded into a month this old any more, and a
    # closed period does not open again.
    needed_by = find_open_period_with_usage_in(month)
    if needed_by is not None:
        return Outdated(month.name, Fate.NEEDED, needed_by)
    if dry_run:
        return Outdated(month.name, Fate.DUE)
    try:
        if not _drop(month.name):
            return None
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        logger.warning("usage_month_busy month=%s", month.name)
        return Outdated(month.name, Fate.BUSY)
    logger.info("usage_month_dropped month=%s rows=%d", month.name, month.rows)
    return Outdated(month.name, Fate.DROPPED)


@transaction.atomic(durable=True)
def _drop(name: str) -> bool:
    """Whether it was there. It locks the events table before the month, as writers do.

    The order matters: the other way round a recording would meet us in a deadlock.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_WAIT)
        cursor.execute(_ALONE)
        if name not in _existing():
            return False
        cursor.execute(
            sql.SQL(
                "alter table metrics_usageevent detach partition {name};"
                " drop table {name}"
            ).format(name=sql.Identifier(name))
        )
    return True
