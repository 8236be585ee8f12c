"""Fleet totals after many changes, compared with a bare GROUP BY of the same days."""

import json
import statistics
from collections.abc import Iterator

from bench.report import Row
from bench.run import Run, print_progress

TOTALS = "fleet totals after changed organization-days, within 2 x of GROUP BY"
WHOLE = "complete roll-up: totals, daily usage, rankings, over GROUP BY"
ROWS = (TOTALS, WHOLE)
_DAYS = 10
_ROUNDS = 3


def measure(run: Run) -> Iterator[Row]:
    """Measure the fleet totals, one statement, and then the complete roll-up."""
    organizations = run.sizes.changed_days // _DAYS
    first = run.big.organization_id(run.big.charted + 1)
    totals, wholes, bares = [], [], []
    with run.without_beat():
        for _ in range(_ROUNDS + 1):
            output = run.stack.run(
                *("-m", "bench.rolling_up", str(first), str(organizations), str(_DAYS)),
                database=run.big.database,
            )
            seconds = json.loads(output)
            totals.append(1000 * seconds["totals"])
            wholes.append(totals[-1] + 1000 * seconds["rest"])
            bares.append(1000 * seconds["bare"])
            print_progress(
                f"totals {totals[-1]:.0f}, whole {wholes[-1]:.0f}, bare {bares[-1]:.0f}"
            )
    total, whole, bare = (
        statistics.median(values[1:]) for values in (totals, wholes, bares)
    )
    yield Row(TOTALS, total, bare, "ms", 2 * bare / total, 1, 1)
    yield Row(WHOLE, whole, bare, "ms", bare / whole, 0, 0)
