"""What replaces a part of Django, beside that part."""

import json
from collections.abc import Iterator

from bench.report import Row
from bench.run import Run, say

USER = "user, white label and permissions of a page, over Django's own"
STATEMENT = "a prepared statement, over the same bound by Django"
HEALTH = "health check of a connection, over Django's own"
ROWS = (USER, STATEMENT, HEALTH)
_NAMES = {"user": USER, "statement": STATEMENT, "health": HEALTH}


def measure(run: Run) -> Iterator[Row]:
    organization_id = str(run.big.id_of(1))
    said = run.stack.run(
        *("-m", "bench.django_own", organization_id, run.big.reader_key),
        *("support", str(3 * run.sizes.rounds)),
        database=run.big.database,
    )
    found = json.loads(said)
    say(f"beside Django's own, in microseconds: {found}")
    for name, row in _NAMES.items():
        ours, django = found[name]
        yield Row(row, ours, django, "us", django / ours, 1, 2)
