from datetime import date

from django.db import connection, transaction
from django.utils import timezone
from psycopg import sql

from metrics.events import AHEAD, KEPT
from metrics.periods import add_months

MONTHS_AHEAD = 3  # how long the beat may be dead before recording fails

_CREATE = sql.SQL(
    "create table if not exists {name} partition of metrics_usageevent"
    " for values from ({start}) to ({end})"
)


def make_partitions() -> list[str]:
    """Make the months an event may fall into now and in the next three; names new ones.

    Attaching a month locks the events table for a moment, so recording never does it:
    the beat does, ahead of time, and loading commands before they begin.
    """
    today = timezone.now().date()
    month = (today - KEPT).replace(day=1)
    last = add_months((today + AHEAD).replace(day=1), MONTHS_AHEAD)
    made = []
    with transaction.atomic(), connection.cursor() as cursor:
        # Two makers at once would both find a month missing; the second waits here.
        cursor.execute("select pg_advisory_xact_lock(hashtext('usage partitions'))")
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
