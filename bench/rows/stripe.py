"""A full sync with Stripe, compared with listing the same objects by the SDK."""

import json
from collections.abc import Iterator

from bench.report import Row
from bench.run import Run, print_progress

FIRST = "full sync, everything new, within 2 x of listing by the SDK"
AGAIN = "full sync, nothing changed or written, within 2 x of listing by the SDK"
ROWS = (FIRST, AGAIN)
_DATABASE = "bench_sync"


def measure(run: Run) -> Iterator[Row]:
    """Measure in a separate database, so that the fleets keep their accounts."""
    with run.stack.connect() as connection:
        connection.execute(f"drop database if exists {_DATABASE}".encode())
        connection.execute(f"create database {_DATABASE}".encode())
    run.stack.run("manage.py", "prepare", database=_DATABASE)
    with run.without_beat():
        output = run.stack.run(
            *("-m", "bench.syncing", str(run.stack.state), str(run.sizes.customers)),
            database=_DATABASE,
        )
    seconds = json.loads(output)
    print_progress(f"full sync: {seconds}")
    sdk = seconds["sdk"]
    yield Row(FIRST, seconds["first"], sdk, "s", 2 * sdk / seconds["first"], 1, 2)
    yield Row(AGAIN, seconds["again"], sdk, "s", 2 * sdk / seconds["again"], 1, 2)
