"""Memory of ours through everything before."""

from collections.abc import Iterator

from bench.report import Row
from bench.run import Run, say

LIMIT = 250  # MB
ROWS = ("memory of web, under 250 MB", "memory of worker, under 250 MB")


def measure(run: Run) -> Iterator[Row]:
    for row, name in zip(ROWS, ("web", "worker"), strict=True):
        found = run.memory[name]
        if not found:
            continue
        most = max(found)
        say(f"memory of {name}: first {found[0]:.0f}, last {found[-1]:.0f} MB")
        yield Row(row, most, LIMIT, "MB", LIMIT / most, 1, 1)
