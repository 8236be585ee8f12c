"""Statements that run on every call: prepared once a connection, bound by the server.

Django binds on its side, so PostgreSQL would plan each of them anew; for a
chart, planning costs more than reading.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, cast

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections


class _PreparedCursor(psycopg.Cursor[Any]):
    """psycopg's own cursor; prepares at the first execution, reads binary answers.

    Named, so that history leaves it alone: it puts a statement of its own before each
    of an unnamed cursor, and two cannot be prepared. Tables with history are not
    written this way.
    """

    name = "prepared"

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        return super().execute(
            query, params, **{**options, "prepare": True, "binary": True}
        )


class _LoggedCursor(_PreparedCursor):
    """Keeps the text for Django's log: psycopg forgets that of what it prepared."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        found = super().execute(query, params, **options)
        if self._query is None:
            self._query = cast("Any", SimpleNamespace(query=query.encode()))
        return found


def _cursor() -> Any:
    """In the connection Django has; counted and logged like any other.

    Looked up once: each look through `django.db.connection` is one of the thread's.
    """
    own: Any = connections[DEFAULT_DB_ALIAS]  # stubs know no cursor but their own
    own.ensure_connection()
    if own.queries_logged:
        return own.make_debug_cursor(_LoggedCursor(own.connection))
    return own.make_cursor(_PreparedCursor(own.connection))


def fetch_all(
    statement: str, parameters: Mapping[str, object]
) -> Sequence[tuple[Any, ...]]:
    """The rows of a statement; its errors are Django's."""
    with _cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
        return rows


Statement = tuple[str, Mapping[str, object]]


def fetch_together(statements: Sequence[Statement]) -> list[list[tuple[Any, ...]]]:
    """The rows of each statement, in order; sent together, so they wait once."""
    with ExitStack() as stack:
        return [cursor.fetchall() for cursor in _executed(statements, stack)]


def execute_together(statements: Sequence[Statement]) -> None:
    """The same for writes."""
    with ExitStack() as stack:
        _executed(statements, stack)


def _executed(statements: Sequence[Statement], stack: ExitStack) -> list[Any]:
    cursors = [stack.enter_context(_cursor()) for _ in statements]
    with connection.wrap_database_errors, connection.connection.pipeline():
        for cursor, (statement, parameters) in zip(cursors, statements, strict=True):
            cursor.execute(statement, parameters)
    return cursors


def array(values: Iterable[object]) -> str:
    """An array as PostgreSQL writes one: of numbers, dates and slugs alone.

    Nothing in it is escaped, so texts that people or programs chose are given as
    lists, which costs more.
    """
    text = '","'.join(map(str, values))
    return f'{{"{text}"}}' if text else "{}"
