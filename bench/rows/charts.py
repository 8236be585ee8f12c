"""Contract C's chart and contract A's 365 days, beside the same written by hand."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

from bench import http, load
from bench.report import Row, not_served
from bench.run import Contender, Run
from bench.stack import Site

CHART = "chart, 30 days x 5 items, over the limit"
OVER_FASTAPI = "chart, over FastAPI"
OVER_DRF = "chart, over Django REST framework"
WITHOUT_FAST_PATH = "chart, over the same call without the fast path"
UNCHANGED = "chart, unchanged (If-None-Match), over the uncached"
YEAR = "organization with 365 days, over the limit"
ROWS = (
    CHART,
    OVER_FASTAPI,
    OVER_DRF,
    WITHOUT_FAST_PATH,
    UNCHANGED,
    YEAR,
)
_UNIT = "req/s"
_CHECKED = 10  # answers compared before anything is measured


def measure(run: Run) -> Iterator[Row]:
    if run.wants(CHART, OVER_FASTAPI, OVER_DRF, WITHOUT_FAST_PATH):
        yield from _charts(run)
    if run.wants(UNCHANGED):
        yield _unchanged(run)
    if run.wants(YEAR):
        yield _year(run)


def _charts(run: Run) -> Iterator[Row]:
    peers = {name: run.peer(name) for name in ("limit", "fastapi", "drf")}
    sites = {"ours": run.web, "without": run.web_without_fast_path, **peers}
    paths = chart_paths(run)
    check_same(run, sites, paths, _chart_numbers)
    found = run.rounds("chart", {n: contender(run, s, paths) for n, s in sites.items()})
    ours = found["ours"]
    for row, peer, must, aim in (
        (CHART, "limit", 0.5, 0.8),
        (OVER_FASTAPI, "fastapi", 1.5, 2),
        (OVER_DRF, "drf", 1, 1),
        (WITHOUT_FAST_PATH, "without", 1, 1),
    ):
        yield Row(row, ours, found[peer], _UNIT, ours / found[peer], must, aim)


def _unchanged(run: Run) -> Row:
    must, aim = 1.5, 2.5
    paths = chart_paths(run)
    known = _conditional(run, paths)
    if not known:
        return not_served(UNCHANGED, _UNIT, must=must, aim=aim)
    found = run.rounds(
        "unchanged",
        {
            "304": lambda: _rate(run, run.web, known, status=304),
            "200": contender(run, run.web, paths),
        },
    )
    ratio = found["304"] / found["200"]
    return Row(UNCHANGED, found["304"], found["200"], _UNIT, ratio, must, aim)


def _year(run: Run) -> Row:
    sites = {"ours": run.web, "limit": run.peer("limit")}
    numbers = range(1, run.big.metered + 1)
    base = f"/v1/api/organizations/{run.big.owner_id}/whitelabel/organizations"
    paths = [f"{base}/{run.big.id_of(number)}" for number in numbers]
    check_same(run, sites, paths, lambda answer: answer)
    found = run.rounds(
        "365 days", {n: contender(run, s, paths) for n, s in sites.items()}
    )
    ours, limit = found["ours"], found["limit"]
    return Row(YEAR, ours, limit, _UNIT, ours / limit, 0.5, 0.7)


def chart_paths(run: Run) -> list[str]:
    """The chart of each charted organization, in an order of chance."""
    last = date.fromisoformat(run.big.today)
    start, end = last - timedelta(days=29), last + timedelta(days=1)
    numbers = list(range(1, run.big.charted + 1))
    random.Random(7).shuffle(numbers)  # noqa: S311  the same order in each run
    return [
        f"/api/v1/billing/costs/{run.big.id_of(number)}/charts?from={start}&to={end}"
        for number in numbers
    ]


def check_same(
    run: Run,
    sites: dict[str, Site],
    paths: list[str],
    numbers: Callable[[Any], Any],
) -> None:
    """Every site answers the same numbers, or the bench ends here."""
    key = http.with_key(run.big.reader_key)
    for path in paths[:_CHECKED]:
        replies = {n: http.ask(site.port, path, key) for n, site in sites.items()}
        told = {
            name: numbers(json.loads(reply.body)) if reply.status == 200 else reply  # noqa: PLR2004
            for name, reply in replies.items()
        }
        different = [name for name in told if told[name] != told["ours"]]
        if different:
            raise load.WrongAnswer(f"{different} differ from ours at {path}")


def _chart_numbers(answer: Any) -> list[tuple[int, dict[str, float]]]:
    """Without the order of a bucket's values, which is everyone's own."""
    return [
        (point["timestamp"], {v["id"]: float(v["value"]) for v in point["values"]})
        for point in answer["data"]
    ]


def _conditional(run: Run, paths: list[str]) -> list[bytes]:
    """The requests of callers who have the answers; none if ours carry no ETag."""
    key = http.with_key(run.big.reader_key)
    requests = [http.get(path, key) for path in paths]
    once = load.Load(run.web.port, requests, connections=1, keeps_bodies=True)
    if "etag" not in http.ask(run.web.port, paths[0], key).headers:
        return []
    return [
        http.get(path, {**key, "If-None-Match": _etag(answer)})
        for path, answer in zip(paths, load.run(once).bodies, strict=True)
    ]


def _etag(answer: bytes) -> str:
    head = answer.partition(b"\r\n\r\n")[0].decode()
    lines = (line.partition(": ") for line in head.split("\r\n"))
    return next(value for name, _, value in lines if name.lower() == "etag")


def contender(run: Run, site: Site, paths: list[str]) -> Contender:
    key = http.with_key(run.big.reader_key)
    requests = [http.get(path, key) for path in paths]
    return lambda: _rate(run, site, requests)


def _rate(run: Run, site: Site, requests: list[bytes], *, status: int = 200) -> float:
    at = random.randrange(len(requests))  # noqa: S311  each round asks for others
    turned = requests[at:] + requests[:at]
    asked = load.Load(site.port, turned, seconds=run.sizes.seconds, status=status)
    return load.run(asked).rate
