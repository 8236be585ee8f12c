"""Memory of web and worker during all other rows."""

from collections.abc import Iterator

from bench.report import Row
from bench.run import Run, print_progress

LIMIT = 250  # MB
ROWS = ("memory of web, under 250 MB", "memory of worker, under 250 MB")


def measure(run: Run) -> Iterator[Row]:
    for row, name in zip(ROWS, ("web", "worker"), strict=True):
        samples = run.memory[name]
        if not samples:
            continue
        most = max(samples)
        print_progress(
            f"memory of {name}: first {samples[0]:.0f}, last {samples[-1]:.0f} MB"
        )
        yield Row(row, most, LIMIT, "MB", LIMIT / most, 1, 1)
