"""Rows that many tests begin with: made once by the commands, then copied back.

Making two white labels with their organizations costs 170 statements, three quarters of
the time of a short test. The first test of a process makes them; the others copy the
same rows with triggers off, in a few statements. The rows keep their ids: a sequence
does not go back, so no row made later has the same one. Only a flush restarts them:
then the rows are made again.

Only for tests that roll back, on a frozen clock: a test that commits wants what is done
after the commit, too, and rows of an earlier hour would be old ones on a running clock.
"""

from collections.abc import Callable
from datetime import datetime

from django.db import connection
from django.utils import timezone

from tests.factories import NOW

_Rows = list[tuple[str, bytes]]
_SNAPSHOTS: dict[tuple[str, datetime], tuple[int, _Rows]] = {}
_TABLES = r"""
select c.oid::regclass::text, string_agg(quote_ident(a.attname), ', ' order by a.attnum)
from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
    and c.relname ~ '^(orgs|metrics|billing)_' and a.attnum > 0
    and not a.attisdropped and a.attgenerated = ''
group by c.oid order by 1
"""


def begin_with(name: str, make: Callable[[], object]) -> None:
    """Make the rows of `name`, or copy those that an earlier test made at this hour."""
    key = (name, timezone.now())
    if not connection.in_atomic_block or key[1] != NOW:
        make()
    elif key in _SNAPSHOTS and _last_id() >= _SNAPSHOTS[key][0]:
        _write(_SNAPSHOTS[key][1])
    else:
        before = {copy for copy, _ in _read()}
        make()
        rows = [row for row in _read() if row[0] not in before]
        _SNAPSHOTS[key] = (_last_id(), rows)


def _last_id() -> int:
    """Return the last id of an organization, whether or not its row was kept."""
    with connection.cursor() as cursor:
        cursor.execute("select last_value from orgs_organization_id_seq")
        return int(cursor.fetchone()[0])


def _read() -> _Rows:
    """Return the rows of each table that has any, as `copy … from stdin` takes them."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        tables = cursor.fetchall()
        rows = []
        for table, columns in tables:
            copy = f"copy {table} ({columns})"
            with cursor.copy(f"{copy} to stdout (format binary)") as data:
                content = b"".join(bytes(block) for block in data)
            if len(content) > _EMPTY:
                rows.append((copy, content))
        return rows


_EMPTY = 21  # bytes of a binary copy without rows: its header and trailer


def _write(rows: _Rows) -> None:
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        for copy, content in rows:
            with cursor.copy(f"{copy} from stdin (format binary)") as data:
                data.write(content)
        cursor.execute("set local session_replication_role = origin")
