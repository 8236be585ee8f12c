"""An organization's page with all its tabs, beside its own SQL run bare."""

import pickle
import random
from collections.abc import Iterator

from bench import child, http, load
from bench.report import Row
from bench.run import Run, say

PAGE = "organization page, all tabs, p95, within 3 x of its own SQL"
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
    ids = [run.big.id_of(number) for number in numbers]
    session = http.with_session(run.big.session)
    requests = [
        http.get(path.format(id_), session) for id_ in ids for path in TABS.values()
    ]
    statements = _statements(run, ids)
    found = run.rounds(
        "organization page",
        {
            "page": lambda: _loads(run, requests),
            "bare": lambda: _bare(run, statements),
        },
    )
    page, bare = found["page"], found["bare"]
    yield Row(PAGE, page, bare, "ms", 3 * bare / page, 1, 1.5)


def _loads(run: Run, requests: list[bytes]) -> float:
    """Milliseconds of a load of all tabs, one after the other, at the 95th percent."""
    answer = load.run(load.Load(run.web.port, requests, connections=1))
    return _p95(_tab_by_tab("page", answer.latencies))


def _bare(run: Run, statements: bytes) -> float:
    said = child.output(
        *("-m", "bench.bare", "replay"),
        given=statements,
        env=run.stack.environment(run.big),
    )
    return _p95(_tab_by_tab("bare", pickle.loads(said)))  # noqa: S301  our own


def _statements(run: Run, ids: list[int]) -> bytes:
    """What each page asks PostgreSQL, pickled: a list for each request."""
    paths = [path.format(id_) for id_ in ids for path in TABS.values()]
    said = child.output(
        *("-m", "bench.bare", "capture"),
        given=pickle.dumps({"session": run.big.session, "paths": paths}),
        env=run.stack.environment(run.big),
    )
    counts = [len(found) for found in pickle.loads(said)[: len(TABS)]]  # noqa: S301  our own
    told = ", ".join(f"{t} {n}" for t, n in zip(TABS, counts, strict=True))
    say(f"statements a tab: {told}")
    return said


def _tab_by_tab(what: str, seconds: list[float]) -> list[float]:
    """The seconds of each load, from those of its tabs."""
    tabs = [_p95(seconds[at :: len(TABS)]) for at in range(len(TABS))]
    told = ", ".join(f"{t} {ms:.1f}" for t, ms in zip(TABS, tabs, strict=True))
    say(f"{what}, p95 ms: {told}")
    return [
        sum(seconds[at : at + len(TABS)]) for at in range(0, len(seconds), len(TABS))
    ]


def _p95(seconds: list[float]) -> float:
    """In milliseconds."""
    return 1000 * load.Answer(latencies=seconds).percentile(95)
