"""Statements that run on every call: prepared once a connection, bound by the server.

Django binds on its side, so PostgreSQL would plan each of them anew: of a chart's
three statements the planning costs more than the reading.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import connection


class _PreparedCursor(psycopg.Cursor[Any]):
    """psycopg's own cursor; prepares at the first execution."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        return super().execute(query, params, **{**options, "prepare": True})


def fetch_all(
    statement: str, parameters: Mapping[str, object]
) -> Sequence[tuple[Any, ...]]:
    """Rows of a statement in the connection Django has; its errors are Django's.

    Counted and logged like any other query.
    """
    connection.ensure_connection()
    cursor = _PreparedCursor(connection.connection)
    make: Any = (  # stubs know no cursor but their own wrapper
        connection.make_debug_cursor
        if connection.queries_logged
        else connection.make_cursor
    )
    with make(cursor) as wrapped:
        wrapped.execute(statement, parameters)
        rows: Sequence[tuple[Any, ...]] = wrapped.fetchall()
        return rows
