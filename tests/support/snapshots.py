"""Rows that many tests begin with: made once by the commands, then copied back.

Making two white labels with their organizations costs 170 statements, three quarters of
the time of a short test. The first test of a process makes them; the others copy the
same rows with triggers off, in a few statements. The rows keep their ids: a sequence
does not go back, so no row made later has the same one. Only emptying the tables does
restart them: then the rows are made again.

What a fixture makes in a fake service that it is given is saved and restored there.

Only for tests that roll back, on a frozen clock: a test that commits wants what is done
after the commit, too, and rows of an earlier hour would be old ones on a running clock.
"""

import functools
import pickle
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar, runtime_checkable

import time_machine
from django.db import connection
from django.db.models import Model
from django.utils import timezone

from tests.factories import NOW

P = ParamSpec("P")
T = TypeVar("T")
_Content = dict[str, bytes]  # by table with its columns


@dataclass(frozen=True)
class _Snapshot:
    """What a fixture changed, by table, and what it returned, pickled.

    Tests may change the object that they got, so each gets a new one.
    """

    before: _Content
    after: _Content
    returned: bytes
    services: tuple[str, ...]  # digests of the fake services before


@runtime_checkable
class FakeService(Protocol):
    """A server of the tests that can save and restore its state by a name."""

    def digest(self) -> str: ...
    def save(self, name: str) -> None: ...
    def restore(self, name: str) -> None: ...


_SNAPSHOTS: dict[tuple[object, ...], _Snapshot] = {}


def snapshot(make: Callable[P, T]) -> Callable[P, T]:
    """Decorate a fixture: its rows are made once for the tests of a process.

    What it returns must be pickled: rows and texts, not a client that was used, nor a
    clock. An argument that is neither hashable nor a row has a `snapshot_name`.
    """

    @functools.wraps(make)
    def begin(*args: P.args, **kwargs: P.kwargs) -> T:
        now = timezone.now()
        if not connection.in_atomic_block or now != NOW:
            return make(*args, **kwargs)
        arguments = [*args, *kwargs.values()]
        key = (make.__module__, make.__qualname__, tuple(map(_identity, arguments)))
        services = [a for a in arguments if isinstance(a, FakeService)]
        if key not in _SNAPSHOTS or not _restore(_SNAPSHOTS[key], str(key), services):
            digests = tuple(service.digest() for service in services)
            _SNAPSHOTS[key] = _make(lambda: make(*args, **kwargs), digests)
            for service in services:
                service.save(str(key))
        returned: T = pickle.loads(_SNAPSHOTS[key].returned)
        return returned

    return begin


def forget() -> None:
    """Forget all snapshots: the tables were emptied, and ids begin at 1 again."""
    _SNAPSHOTS.clear()


def _identity(argument: object) -> object:
    """Return what distinguishes arguments of a fixture; all clocks stand at `NOW`."""
    if isinstance(argument, time_machine.Traveller):
        return type(argument)
    name = getattr(argument, "snapshot_name", argument)
    return (type(argument), argument.pk if isinstance(argument, Model) else name)


def _make(make: Callable[[], object], digests: tuple[str, ...]) -> _Snapshot:
    before, returned, after = _read(_tables()), make(), _read(_tables())
    changed = [k for k in _tables() if before.get(k) != after.get(k)]
    return _Snapshot(
        {table: before[table] for table in changed if table in before},
        {table: after[table] for table in changed if table in after},
        pickle.dumps(returned),
        digests,
    )


@functools.cache
def _tables() -> list[str]:
    """Return all tables that fixtures write, with the columns that can be written."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        return [f"{table} ({columns})" for table, columns in cursor.fetchall()]


_TABLES = r"""
select c.oid::regclass::text, string_agg(quote_ident(a.attname), ', ' order by a.attnum)
from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relkind in ('r', 'p') and not c.relispartition
    and c.relnamespace = 'public'::regnamespace
    and c.relname ~ '^(orgs|metrics|billing|auth_user|account|mfa)' and a.attnum > 0
    and not a.attisdropped and a.attgenerated = ''
group by c.oid order by 1
"""


def _read(tables: Iterable[str]) -> _Content:
    """Return the rows of each table that has any, as `copy` writes and takes them."""
    content = {}
    with connection.cursor() as cursor:
        for table in tables:
            name, columns = table[:-1].split(" (")
            query = f"select {columns} from {name}"  # of all partitions, too
            with cursor.copy(f"copy ({query}) to stdout (format binary)") as data:
                rows = b"".join(bytes(block) for block in data)
            if len(rows) > _EMPTY:
                content[table] = rows
    return content


_EMPTY = 21  # bytes of a binary copy without rows: its header and trailer


def _restore(made: _Snapshot, name: str, services: Sequence[FakeService]) -> bool:
    """Copy the rows; return False where those that the fixture changed are others."""
    if tuple(service.digest() for service in services) != made.services:
        return False
    if _read(made.before) != made.before:
        return False
    for service in services:
        service.restore(name)
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        for table in made.before:
            cursor.execute(f"delete from {table.split(' ')[0]}")
        for table, rows in made.after.items():
            with cursor.copy(f"copy {table} from stdin (format binary)") as data:
                data.write(rows)
        cursor.execute("set local session_replication_role = origin")
    return True
