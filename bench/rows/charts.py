"""Cost charts and organizations with 365 days, compared with peers."""

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
UNCHANGED = "chart, unchanged (If-None-Match), over the full response"
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
_CHECKED = 10  # responses compared before anything is measured


def measure(run: Run) -> Iterator[Row]:
    if run.selects(CHART, OVER_FASTAPI, OVER_DRF, WITHOUT_FAST_PATH):
        yield from _charts(run)
    if run.selects(UNCHANGED):
        yield _unchanged(run)
    if run.selects(YEAR):
        yield _year(run)


def _charts(run: Run) -> Iterator[Row]:
    peers = {name: run.peer(name) for name in ("limit", "fastapi", "drf")}
    sites = {"orgdesk": run.web, "without": run.web_without_fast_path, **peers}
    paths = chart_paths(run)
    check_same(run, sites, paths, _chart_numbers)
    medians = run.rounds(
        "chart", {n: contender(run, s, paths) for n, s in sites.items()}
    )
    orgdesk = medians["orgdesk"]
    for row, peer, target, goal in (
        (CHART, "limit", 0.5, 0.8),
        (OVER_FASTAPI, "fastapi", 1.5, 2),
        (OVER_DRF, "drf", 1, 1),
        (WITHOUT_FAST_PATH, "without", 1, 1),
    ):
        other = medians[peer]
        yield Row(row, orgdesk, other, _UNIT, orgdesk / other, target, goal)


def _unchanged(run: Run) -> Row:
    target, goal = 1.5, 2.5
    paths = chart_paths(run)
    requests = _conditional_requests(run, paths)
    if not requests:
        return not_served(UNCHANGED, _UNIT, target=target, goal=goal)
    medians = run.rounds(
        "unchanged",
        {
            "304": lambda: _rate(run, run.web, requests, status=304),
            "200": contender(run, run.web, paths),
        },
    )
    unchanged, full = medians["304"], medians["200"]
    return Row(UNCHANGED, unchanged, full, _UNIT, unchanged / full, target, goal)


def _year(run: Run) -> Row:
    sites = {"orgdesk": run.web, "limit": run.peer("limit")}
    numbers = range(1, run.big.metered + 1)
    base = f"/v1/api/organizations/{run.big.owner_id}/whitelabel/organizations"
    paths = [f"{base}/{run.big.organization_id(number)}" for number in numbers]
    check_same(run, sites, paths, lambda body: body)
    medians = run.rounds(
        "365 days", {n: contender(run, s, paths) for n, s in sites.items()}
    )
    orgdesk, limit = medians["orgdesk"], medians["limit"]
    return Row(YEAR, orgdesk, limit, _UNIT, orgdesk / limit, 0.5, 0.7)


def chart_paths(run: Run) -> list[str]:
    """Return the chart path of each charted organization, in random order."""
    last = date.fromisoformat(run.big.today)
    start, end = last - timedelta(days=29), last + timedelta(days=1)
    query = http.query(**{"from": str(start), "to": str(end)})
    ids = [run.big.organization_id(n) for n in range(1, run.big.charted + 1)]
    random.Random(7).shuffle(ids)  # noqa: S311  the same order in each run
    return [f"/api/v1/billing/costs/{id_}/charts{query}" for id_ in ids]


def check_same(
    run: Run,
    sites: dict[str, Site],
    paths: list[str],
    numbers: Callable[[Any], Any],
) -> None:
    """Raise `UnexpectedResponse` unless all sites return the same numbers."""
    key = http.key_header(run.big.reader_key)
    for path in paths[:_CHECKED]:
        replies = {n: http.fetch(site.port, path, key) for n, site in sites.items()}
        results = {
            name: numbers(json.loads(reply.body)) if reply.status == 200 else reply  # noqa: PLR2004
            for name, reply in replies.items()
        }
        different = [name for name in results if results[name] != results["orgdesk"]]
        if different:
            raise load.UnexpectedResponse(f"{different} differ from Orgdesk at {path}")


def _chart_numbers(body: Any) -> list[tuple[int, dict[str, float]]]:
    """Return the values of each bucket without their order, which may differ."""
    return [
        (point["timestamp"], {v["id"]: float(v["value"]) for v in point["values"]})
        for point in body["data"]
    ]


def _conditional_requests(run: Run, paths: list[str]) -> list[bytes]:
    """Return requests with the ETags of earlier responses; none without an ETag."""
    key = http.key_header(run.big.reader_key)
    requests = [http.get_request(path, key) for path in paths]
    once = load.Load(run.web.port, requests, connections=1, keeps_bodies=True)
    if "etag" not in http.fetch(run.web.port, paths[0], key).headers:
        return []
    return [
        http.get_request(path, {**key, "If-None-Match": _etag(response)})
        for path, response in zip(paths, load.run(once).bodies, strict=True)
    ]


def _etag(response: bytes) -> str:
    head = response.partition(b"\r\n\r\n")[0].decode()
    lines = (line.partition(": ") for line in head.split("\r\n"))
    return next(value for name, _, value in lines if name.lower() == "etag")


def contender(run: Run, site: Site, paths: list[str]) -> Contender:
    """Return a function that measures how many requests per second a site serves."""
    key = http.key_header(run.big.reader_key)
    requests = [http.get_request(path, key) for path in paths]
    return lambda: _rate(run, site, requests)


def _rate(run: Run, site: Site, requests: list[bytes], *, status: int = 200) -> float:
    # Each round starts at another request, so that no round repeats the one before.
    start = random.randrange(len(requests))  # noqa: S311
    rotated = requests[start:] + requests[:start]
    work = load.Load(site.port, rotated, seconds=run.sizes.seconds, status=status)
    return load.run(work).rate
