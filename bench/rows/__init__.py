"""The rows, in the order they are measured; memory is looked at last."""

from collections.abc import Iterator

from bench.report import Row
from bench.rows import (
    alerts,
    charts,
    django_own,
    fleet,
    memory,
    organization,
    pages,
    recording,
    stripe,
)
from bench.run import Run

_MODULES = (
    charts,
    pages,
    organization,
    recording,
    fleet,
    alerts,
    stripe,
    django_own,
    memory,
)


def measure(run: Run) -> Iterator[Row]:
    for module in _MODULES:
        if run.wants(*module.ROWS):
            yield from (row for row in module.measure(run) if run.wants(row.row))
