"""All rows, in the order of their measurement; memory is reported last."""

from collections.abc import Iterator

from bench.report import Row
from bench.rows import (
    alerts,
    charts,
    django_parts,
    every_page,
    fleet,
    memory,
    organization,
    pages,
    recording,
    search,
    stripe,
)
from bench.run import Run

_MODULES = (
    charts,
    pages,
    search,
    every_page,
    organization,
    recording,
    fleet,
    alerts,
    stripe,
    django_parts,
    memory,
)


def measure(run: Run) -> Iterator[Row]:
    for module in _MODULES:
        if run.selects(*module.ROWS):
            yield from (row for row in module.measure(run) if run.selects(row.row))
