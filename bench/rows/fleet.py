"""Fleet totals after many changes, beside the bare GROUP BY of the same days."""

import json
import statistics
from collections.abc import Iterator

from bench.report import Row
from bench.run import Run, say

TOTALS = "fleet totals after changed organization-days, within 2 x of GROUP BY"
WHOLE = "the whole fold: totals, daily usage, standings, over the GROUP BY"
ROWS = (TOTALS, WHOLE)
_DAYS = 10
_ROUNDS = 3


def measure(run: Run) -> Iterator[Row]:
    """The totals as one statement; then with all else that is folded."""
    organizations = run.sizes.changed_days // _DAYS
    first = run.big.id_of(run.big.charted + 1)
    totals, wholes, bares = [], [], []
    with run.without_beat():
        for _ in range(_ROUNDS + 1):
            said = run.stack.run(
                *("-m", "bench.folding", str(first), str(organizations), str(_DAYS)),
                database=run.big.database,
            )
            found = json.loads(said)
            totals.append(1000 * found["totals"])
            wholes.append(totals[-1] + 1000 * found["rest"])
            bares.append(1000 * found["bare"])
            say(
                f"totals {totals[-1]:.0f}, whole {wholes[-1]:.0f}, bare {bares[-1]:.0f}"
            )
    total, whole, bare = (statistics.median(x[1:]) for x in (totals, wholes, bares))
    yield Row(TOTALS, total, bare, "ms", 2 * bare / total, 1, 1)
    yield Row(WHOLE, whole, bare, "ms", bare / whole, 0, 0)
