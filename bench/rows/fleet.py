"""Fleet totals after many changes, beside the bare GROUP BY of the same days."""

import json
import statistics
from collections.abc import Iterator

from bench.report import Row
from bench.run import Run, say

TOTALS = "fleet totals after changed organization-days, within 2 x of GROUP BY"
ROWS = (TOTALS,)
_DAYS = 10
_ROUNDS = 3


def measure(run: Run) -> Iterator[Row]:
    """The fold is timed whole: the fleet's totals and each organization's standing."""
    organizations = run.sizes.changed_days // _DAYS
    first = run.big.id_of(run.big.charted + 1)
    folds, bares = [], []
    with run.without_beat():
        for _ in range(_ROUNDS + 1):
            said = run.stack.run(
                *("-m", "bench.folding", str(first), str(organizations), str(_DAYS)),
                database=run.big.database,
            )
            found = json.loads(said)
            folds.append(1000 * found["fold"])
            bares.append(1000 * found["bare"])
            say(f"fleet totals: fold {folds[-1]:.0f}, bare {bares[-1]:.0f} ms")
    fold, bare = statistics.median(folds[1:]), statistics.median(bares[1:])
    yield Row(TOTALS, fold, bare, "ms", 2 * bare / fold, 1, 1)
