"""Who crossed a limit, of 100,000 at once; and may one be served, on each request."""

import json
import random
from collections.abc import Iterator

from bench.report import Row
from bench.rows.charts import check_same
from bench.rows.charts import contender as calls
from bench.run import Run, say

FOUND = "alerts of 100,000 organizations, within 3 x of the bare statement"
ACCESS = "access, over a plain key check"
WITHOUT_FAST_PATH = "access, over the same call without the fast path"
ROWS = (FOUND, ACCESS, WITHOUT_FAST_PATH)
_ORGANIZATIONS = 100_000


def measure(run: Run) -> Iterator[Row]:
    if run.wants(FOUND):
        yield _found(run)
    if run.wants(ACCESS, WITHOUT_FAST_PATH):
        yield from _access(run)


def _found(run: Run) -> Row:
    size = min(_ORGANIZATIONS, run.big.organizations)
    arguments = map(str, (run.big.id_of(1), size, run.sizes.rounds))
    with run.without_beat():
        said = run.stack.run("-m", "bench.alerting", *arguments,
                             database=run.big.database)  # fmt: skip
    found = json.loads(said)
    say(f"alerts of {size:,}: {found}")
    find, bare = found["find"], found["bare"]
    return Row(FOUND, find, bare, "s", 3 * bare / find, 1, 1.5)


def _access(run: Run) -> Iterator[Row]:
    sites = {
        "ours": run.web,
        "without": run.web_without_fast_path,
        "limit": run.peer("limit"),
    }
    numbers = list(range(1, run.big.charted + 1))
    random.Random(7).shuffle(numbers)  # noqa: S311  the same order in each run
    paths = [
        f"/api/v1/organizations/{run.big.id_of(number)}/access" for number in numbers
    ]
    check_same(run, sites, paths, lambda answer: answer["rate_limit"])
    found = run.rounds("access", {n: calls(run, s, paths) for n, s in sites.items()})
    ours, limit, without = found["ours"], found["limit"], found["without"]
    yield Row(ACCESS, ours, limit, "req/s", ours / limit, 0.6, 0.8)
    yield Row(WITHOUT_FAST_PATH, ours, without, "req/s", ours / without, 1, 1)
