"""Alerts of 100,000 organizations at once, and the access check of each request."""

import json
import random
from collections.abc import Iterator

from bench.report import Row
from bench.rows.charts import check_same, contender
from bench.run import Run, print_progress

ALERTS = "alerts of 100,000 organizations, within 3 x of the bare statement"
ACCESS = "access, over a plain key check"
WITHOUT_FAST_PATH = "access, over the same call without the fast path"
ROWS = (ALERTS, ACCESS, WITHOUT_FAST_PATH)
_ORGANIZATIONS = 100_000


def measure(run: Run) -> Iterator[Row]:
    if run.selects(ALERTS):
        yield _alerts(run)
    if run.selects(ACCESS, WITHOUT_FAST_PATH):
        yield from _access(run)


def _alerts(run: Run) -> Row:
    size = min(_ORGANIZATIONS, run.big.organizations)
    arguments = map(str, (run.big.organization_id(1), size, run.sizes.rounds))
    with run.without_beat():
        output = run.stack.run("-m", "bench.alerting", *arguments,
                               database=run.big.database)  # fmt: skip
    seconds = json.loads(output)
    print_progress(f"alerts of {size:,}: {seconds}")
    find, bare = seconds["find"], seconds["bare"]
    return Row(ALERTS, find, bare, "s", 3 * bare / find, 1, 1.5)


def _access(run: Run) -> Iterator[Row]:
    sites = {
        "orgdesk": run.web,
        "without": run.web_without_fast_path,
        "limit": run.peer("limit"),
    }
    numbers = list(range(1, run.big.charted + 1))
    random.Random(7).shuffle(numbers)  # noqa: S311  the same order in each run
    paths = [
        f"/api/v1/organizations/{run.big.organization_id(number)}/access"
        for number in numbers
    ]
    check_same(run, sites, paths, lambda body: body["rate_limit"])
    medians = run.rounds(
        "access", {n: contender(run, s, paths) for n, s in sites.items()}
    )
    orgdesk, limit = medians["orgdesk"], medians["limit"]
    without = medians["without"]
    yield Row(ACCESS, orgdesk, limit, "req/s", orgdesk / limit, 0.6, 0.8)
    yield Row(WITHOUT_FAST_PATH, orgdesk, without, "req/s", orgdesk / without, 1, 1)
