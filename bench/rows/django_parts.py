"""The replacements of parts of Django, compared with those parts."""

import json
from collections.abc import Iterator

from bench.report import Row
from bench.run import Run, print_progress

USER = "user, white label and permissions of a page, over Django's"
STATEMENT = "prepared statement, over the same statement bound by Django"
HEALTH = "connection health check, over Django's"
ROWS = (USER, STATEMENT, HEALTH)
_NAMES = {"user": USER, "statement": STATEMENT, "health": HEALTH}


def measure(run: Run) -> Iterator[Row]:
    organization_id = str(run.big.organization_id(1))
    output = run.stack.run(
        *("-m", "bench.django_parts", organization_id, run.big.reader_key),
        *("support", str(3 * run.sizes.rounds)),
        database=run.big.database,
    )
    medians = json.loads(output)
    print_progress(f"compared with Django, in microseconds: {medians}")
    for name, row in _NAMES.items():
        orgdesk, django = medians[name]
        yield Row(row, orgdesk, django, "us", django / orgdesk, 1, 2)
