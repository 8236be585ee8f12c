"""The tables of evidence: history, logs, and seals; their rows are only ever added."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models import Model
from pghistory.models import Context, Event

from orgs.models import HistorySeal, SealedRows, SecurityEvent

ID_BYTES, HASH_BYTES = 8, 16
ROWS_AT_ONCE = 5_000  # some hundred kilobytes of hashes


def evidence_tables() -> list[str]:
    """Return the names of the tables that the application may not change."""
    others = [Context, HistorySeal, SealedRows]
    return sorted(
        [model._meta.db_table for model in others]
        + [table.name for table in sealed_tables()]
    )


@dataclass(frozen=True, slots=True)
class EvidenceTable:
    """A table whose rows are sealed: its name and that of its ascending id."""

    name: str
    id: str
    has_context: bool


@cache
def sealed_tables() -> tuple[EvidenceTable, ...]:
    """Return the tables that seals cover: copies of rows, and both logs.

    The context of a copy, which says who made the change, is sealed with it.
    """
    copies = [
        EvidenceTable(model._meta.db_table, "pgh_id", has_context=True)
        for model in apps.get_models()
        if issubclass(model, Event) and hasattr(model, "pgh_obj_id")
    ]
    logs: list[type[Model]] = [LogEntry, SecurityEvent]
    plain = [EvidenceTable(m._meta.db_table, "id", has_context=False) for m in logs]
    return tuple(sorted([*copies, *plain], key=lambda table: table.name))


def columns_of(table: EvidenceTable) -> list[str]:
    """Return the columns of a table, in alphabetical order."""
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS, [table.name])
        return [name for (name,) in cursor.fetchall()]


_COLUMNS = """
select attname::text from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped order by 1
"""

# A row as JSON has the same text on every server: keys in a fixed order, times in UTC,
# numbers as they are. The metadata of its context follow.
_HASHES = """
select e.{id}, substring(sha256(convert_to(
    to_jsonb((select r from (select {columns}) r))::text || {context}, 'UTF8'
)) for {bytes})
from {table} e {join}
where e.{id} > %(after)s and e.{id} <= %(until)s
order by e.{id} limit {limit}
"""
_CONTEXT_JOIN = "left join pghistory_context c on c.id = e.pgh_context_id"


def iterate_hashes(
    table: EvidenceTable, columns: list[str], *, after: int, until: int
) -> Iterator[tuple[int, bytes]]:
    """Yield the last id and the hashes of each few thousand rows of a range of ids.

    Memory is bounded; PostgreSQL reads and hashes some hundred thousand rows a second.
    """
    statement = _HASHES.format(
        id=table.id,
        table=table.name,
        columns=", ".join(f'e."{column}"' for column in columns),
        context="coalesce(c.metadata::text, '')" if table.has_context else "''",
        join=_CONTEXT_JOIN if table.has_context else "",
        bytes=HASH_BYTES,
        limit=ROWS_AT_ONCE,
    )
    while True:
        with connection.cursor() as cursor:
            cursor.execute(statement, {"after": after, "until": until})
            rows: list[Any] = cursor.fetchall()
        if not rows:
            return
        after = rows[-1][0]
        yield (
            after,
            b"".join(id_.to_bytes(ID_BYTES) + bytes(hash_) for id_, hash_ in rows),
        )


def split_hashes(hashes: bytes) -> dict[int, bytes]:
    """Return the hash of each row by its id."""
    size = ID_BYTES + HASH_BYTES
    bounds = pairwise(range(0, len(hashes) + 1, size))
    parts = (hashes[start:end] for start, end in bounds)
    return {int.from_bytes(p[:ID_BYTES]): p[ID_BYTES:] for p in parts}


# --- which rows are final ---------------------------------------------------------

_LAST_ID = "select last_value, is_called from {sequence}"
_SEQUENCE = "select pg_get_serial_sequence(%s, %s)"
_WRITERS = """
select distinct virtualtransaction from pg_locks
where relation = any(%s::text[]::regclass[]) and pid is distinct from pg_backend_pid()
    and mode in ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
        'AccessExclusiveLock')
    and granted
"""


def drawn_ids() -> dict[str, int]:
    """Return for each table the highest id that any transaction has drawn so far."""
    drawn = {}
    with connection.cursor() as cursor:
        for table in sealed_tables():
            cursor.execute(_SEQUENCE, [table.name, table.id])
            cursor.execute(_LAST_ID.format(sequence=cursor.fetchone()[0]))
            last, is_called = cursor.fetchone()
            drawn[table.name] = last if is_called else 0
    return drawn


def writing_transactions() -> set[str]:
    """Return the transactions that hold a lock to write into a table of evidence.

    A transaction locks a table before it draws an id for a row of it, until its end. So
    when these have ended, no row appears any more with an id that was drawn before.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WRITERS, [[table.name for table in sealed_tables()]])
        return {id_ for (id_,) in cursor.fetchall()}
