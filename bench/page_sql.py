"""The SQL of pages: captured through Django's test client, run again by psycopg.

python -m bench.page_sql capture    read {session, paths}, write statements per path
python -m bench.page_sql replay     read those lists, write the seconds of each list

Input and output are pickled because parameters can be dates and decimals.
"""

import os
import pickle
import sys
import time
from typing import Any

import psycopg

# The text and, if the server binds the parameters instead of Django, the parameters.
Statement = tuple[str, Any]


def capture(page_requests: dict[str, Any]) -> list[list[Statement]]:
    """Return the statements that each page sends to PostgreSQL."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.db import connection
    from django.test import Client

    client = Client(SERVER_NAME="127.0.0.1")
    client.cookies["session"] = page_requests["session"]
    lists = []
    for path in page_requests["paths"]:
        statements: list[Statement] = []
        with connection.execute_wrapper(_Capture(statements)):
            response = client.get(path)
        if response.status_code != 200:  # noqa: PLR2004
            raise SystemExit(f"{response.status_code} at {path}")
        lists.append(statements)
    return lists


class _Capture:
    """A wrapper of execution that records every statement sent to PostgreSQL."""

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
    """Return the seconds of each list of statements.

    All lists run twice, and the second time counts: the first one fills plan caches.
    """
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
    work = pickle.load(sys.stdin.buffer)  # noqa: S301  from our parent
    result = capture(work) if sys.argv[1] == "capture" else replay(work)
    sys.stdout.buffer.write(pickle.dumps(result))
