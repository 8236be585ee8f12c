"""A full sync with Stripe, beside the SDK that only lists the same."""

import json
from collections.abc import Iterator

from bench.report import Row
from bench.run import Run, say

FIRST = "full sync, everything new, within 2 x of the SDK's listing of the same"
AGAIN = "full sync, nothing changed and nothing written, within 2 x of the same"
ROWS = (FIRST, AGAIN)
_DATABASE = "bench_sync"


def measure(run: Run) -> Iterator[Row]:
    """In a database of its own: the fleets keep the accounts they have."""
    with run.stack.connect() as connection:
        connection.execute(f"drop database if exists {_DATABASE}".encode())
        connection.execute(f"create database {_DATABASE}".encode())
    run.stack.run("manage.py", "prepare", database=_DATABASE)
    with run.without_beat():
        said = run.stack.run(
            *("-m", "bench.syncing", str(run.stack.state), str(run.sizes.customers)),
            database=_DATABASE,
        )
    found = json.loads(said)
    say(f"full sync: {found}")
    sdk = found["sdk"]
    yield Row(FIRST, found["first"], sdk, "s", 2 * sdk / found["first"], 1, 2)
    yield Row(AGAIN, found["again"], sdk, "s", 2 * sdk / found["again"], 1, 2)
