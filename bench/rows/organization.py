"""The page of an organization with all tabs, compared with its bare SQL."""

import pickle
import random
from collections.abc import Iterator

from bench import child, http, load
from bench.report import Row
from bench.run import Run, print_progress

PAGE = "organization page, all tabs, p95, within 3 x of the bare SQL"
ROWS = (PAGE,)
TABS = {
    "overview": "/organizations/{}/",
    "billing": "/organizations/{}/billing/",
    "costs": "/organizations/{}/costs/",
    "usage": "/organizations/{}/usage/",
    "alerts": "/organizations/{}/alerts/",
    "people": "/organizations/{}/people/",
    "history": "/organizations/{}/history/",
}


def measure(run: Run) -> Iterator[Row]:
    chance = random.Random(7)  # noqa: S311
    numbers = chance.sample(range(1, run.big.organizations + 1), run.sizes.loads)
    ids = [run.big.organization_id(number) for number in numbers]
    session = http.session_header(run.big.session)
    requests = [
        http.get_request(path.format(id_), session)
        for id_ in ids
        for path in TABS.values()
    ]
    statements = _capture_statements(run, ids)
    medians = run.rounds(
        "organization page",
        {
            "page": lambda: _load_pages(run, requests),
            "bare": lambda: _replay_statements(run, statements),
        },
    )
    page, bare = medians["page"], medians["bare"]
    yield Row(PAGE, page, bare, "ms", 3 * bare / page, 1, 1.5)


def _load_pages(run: Run, requests: list[bytes]) -> float:
    """Return the p95 in milliseconds of loading all tabs, one after the other."""
    result = load.run(load.Load(run.web.port, requests, connections=1))
    return _p95(_sum_tabs("page", result.latencies))


def _replay_statements(run: Run, statements: bytes) -> float:
    output = child.output(
        *("-m", "bench.page_sql", "replay"),
        stdin=statements,
        env=run.stack.environment(run.big),
    )
    return _p95(_sum_tabs("bare", pickle.loads(output)))  # noqa: S301  from our child


def _capture_statements(run: Run, ids: list[int]) -> bytes:
    """Return the statements of the pages, pickled: a list for each request."""
    paths = [path.format(id_) for id_ in ids for path in TABS.values()]
    output = child.output(
        *("-m", "bench.page_sql", "capture"),
        stdin=pickle.dumps({"session": run.big.session, "paths": paths}),
        env=run.stack.environment(run.big),
    )
    lists = pickle.loads(output)[: len(TABS)]  # noqa: S301  from our child
    counts = ", ".join(f"{t} {len(s)}" for t, s in zip(TABS, lists, strict=True))
    print_progress(f"statements per tab: {counts}")
    return output


def _sum_tabs(title: str, seconds: list[float]) -> list[float]:
    """Return the seconds of each page load, the sums of the seconds of its tabs."""
    width = len(TABS)
    tabs = [_p95(seconds[tab::width]) for tab in range(width)]
    summary = ", ".join(f"{t} {ms:.1f}" for t, ms in zip(TABS, tabs, strict=True))
    print_progress(f"{title}, p95 ms: {summary}")
    return [sum(seconds[n : n + width]) for n in range(0, len(seconds), width)]


def _p95(seconds: list[float]) -> float:
    """Return the 95th percentile in milliseconds."""
    return 1000 * load.LoadResult(latencies=seconds).percentile(95)
