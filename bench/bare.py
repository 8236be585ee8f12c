"""The SQL of pages: captured through Django's test client, run again by psycopg.

python -m bench.bare capture    {session, paths} in, a list of statements each out
python -m bench.bare replay     those in, the seconds of each list out
"""

import json
import os
import sys
import time
from typing import Any

import psycopg


def capture(asked: dict[str, Any]) -> list[list[str]]:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(SERVER_NAME="127.0.0.1")
    client.cookies["session"] = asked["session"]
    found = []
    for path in asked["paths"]:
        with CaptureQueriesContext(connection) as context:
            response = client.get(path)
        if response.status_code != 200:  # noqa: PLR2004
            raise SystemExit(f"{response.status_code} at {path}")
        found.append([query["sql"] for query in context.captured_queries])
    return found


def replay(lists: list[list[str]]) -> list[float]:
    """Twice, and the second time counts: the first one plans and connects."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        for _ in range(2):
            seconds = [_run(connection, statements) for statements in lists]
    return seconds


def _run(connection: psycopg.Connection[Any], statements: list[str]) -> float:
    began = time.perf_counter()
    for statement in statements:
        cursor = connection.execute(statement.encode())
        if cursor.description:
            cursor.fetchall()
    return time.perf_counter() - began


if __name__ == "__main__":
    given = json.load(sys.stdin)
    json.dump(capture(given) if sys.argv[1] == "capture" else replay(given), sys.stdout)
