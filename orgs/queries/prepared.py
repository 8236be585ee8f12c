"""Execute statements that are prepared once per connection and bound by the server.

Django binds parameters in the client, so PostgreSQL plans each statement again; for a
chart, planning costs more than reading. Django's own `server_side_binding` applies to
all statements of a connection or none, and pghistory sends two statements in one, which
the server cannot bind.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, cast

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections


class _PreparedCursor(psycopg.Cursor[Any]):
    """A psycopg cursor that prepares at the first execution and reads binary results.

    It has a name so that pghistory leaves it alone: to a statement of a cursor without
    one it prepends its own, and two together cannot be prepared. So it must not be used
    to write tables with history.
    """

    name = "prepared"

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        return super().execute(
            query, params, **{**options, "prepare": True, "binary": True}
        )


class _LoggedCursor(_PreparedCursor):
    """A cursor that keeps the text of a prepared statement for Django's query log."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        cursor = super().execute(query, params, **options)
        if self._query is None:  # psycopg forgets the text of what it has prepared
            self._query = cast("Any", SimpleNamespace(query=query.encode()))
        return cursor


def _cursor() -> Any:
    """Return a cursor of Django's connection; its queries are counted and logged.

    The wrapper is looked up once: `django.db.connection` looks it up in the thread at
    every access to an attribute.
    """
    wrapper: Any = connections[DEFAULT_DB_ALIAS]  # the stubs know only Django's cursors
    wrapper.ensure_connection()
    if wrapper.queries_logged:
        return wrapper.make_debug_cursor(_LoggedCursor(wrapper.connection))
    return wrapper.make_cursor(_PreparedCursor(wrapper.connection))


def fetch_all(
    statement: str, parameters: Mapping[str, object]
) -> Sequence[tuple[Any, ...]]:
    """Return the rows of a statement; errors are raised as Django's errors."""
    with _cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
        return rows


Statement = tuple[str, Mapping[str, object]]


def fetch_together(statements: Sequence[Statement]) -> list[list[tuple[Any, ...]]]:
    """Return the rows of each statement, in order; one round trip in all."""
    with ExitStack() as stack:
        return [cursor.fetchall() for cursor in _execute(statements, stack)]


def execute_together(statements: Sequence[Statement]) -> None:
    """Execute statements that return no rows, in order and in one round trip."""
    with ExitStack() as stack:
        _execute(statements, stack)


def _execute(statements: Sequence[Statement], stack: ExitStack) -> list[Any]:
    """Execute statements in one pipeline; the cursors are closed with the stack."""
    cursors = [stack.enter_context(_cursor()) for _ in statements]
    with connection.wrap_database_errors, connection.connection.pipeline():
        for cursor, (statement, parameters) in zip(cursors, statements, strict=True):
            cursor.execute(statement, parameters)
    return cursors


def array(values: Iterable[object]) -> str:
    """Return a PostgreSQL array literal of numbers, dates or slugs.

    Nothing in it is escaped: pass texts that users chose as a list instead, which
    costs more.
    """
    text = '","'.join(map(str, values))
    return f'{{"{text}"}}' if text else "{}"
