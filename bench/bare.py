"""The SQL of pages: captured through Django's test client, run again by psycopg.

python -m bench.bare capture    {session, paths} in, a list of statements each out
python -m bench.bare replay     those in, the seconds of each list out

All of it pickled: parameters are dates and decimals, too.
"""

import os
import pickle
import sys
import time
from typing import Any

import psycopg

# What Django has bound itself is text; what the server binds has its parameters.
Statement = tuple[str, Any]


def capture(asked: dict[str, Any]) -> list[list[Statement]]:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.db import connection
    from django.test import Client

    client = Client(SERVER_NAME="127.0.0.1")
    client.cookies["session"] = asked["session"]
    found = []
    for path in asked["paths"]:
        statements: list[Statement] = []
        with connection.execute_wrapper(_Capture(statements)):
            response = client.get(path)
        if response.status_code != 200:  # noqa: PLR2004
            raise SystemExit(f"{response.status_code} at {path}")
        found.append(statements)
    return found


class _Capture:
    """Sees every statement on its way to PostgreSQL."""

    def __init__(self, statements: list[Statement]) -> None:
        self.statements = statements

    def __call__(
        self, execute: Any, text: str, parameters: Any, many: bool, context: Any
    ) -> Any:
        cursor = context["cursor"].cursor
        if isinstance(cursor, psycopg.ClientCursor):
            self.statements.append((cursor.mogrify(text, parameters), None))
        else:
            self.statements.append((text, parameters))
        return execute(text, parameters, many, context)


def replay(lists: list[list[Statement]]) -> list[float]:
    """Twice, and the second time counts: the first one plans and connects."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        for _ in range(2):
            seconds = [_run(connection, statements) for statements in lists]
    return seconds


def _run(connection: psycopg.Connection[Any], statements: list[Statement]) -> float:
    began = time.perf_counter()
    for text, parameters in statements:
        prepare = True if parameters is not None else None
        cursor = connection.execute(text.encode(), parameters, prepare=prepare)
        if cursor.description:
            cursor.fetchall()
    return time.perf_counter() - began


if __name__ == "__main__":
    given = pickle.load(sys.stdin.buffer)  # noqa: S301  our own parent's
    answer = capture(given) if sys.argv[1] == "capture" else replay(given)
    sys.stdout.buffer.write(pickle.dumps(answer))
