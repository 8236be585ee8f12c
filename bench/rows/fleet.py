"""Fleet totals after many changes, beside the bare GROUP BY of the same days."""

from collections.abc import Iterator

from bench.report import Row, not_served
from bench.run import Run

TOTALS = "fleet totals after changed organization-days, within 2 x of GROUP BY"
ROWS = (TOTALS,)


def measure(run: Run) -> Iterator[Row]:
    yield not_served(TOTALS, "ms", must=1, aim=1)
