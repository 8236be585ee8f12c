"""The search over everything, and the history of all organizations."""

import random
from collections.abc import Iterator
from urllib.parse import quote

from bench import http, load
from bench.misspelling import misspell
from bench.report import Row
from bench.run import Contender, Run, print_progress
from bench.stack import Fleet, Site

SEARCH = "search of 200 names, p95, within 100 ms"
MISSPELLED = "search of 200 misspelled names, p95, within 100 ms"
FOUND = "misspelled names that are among the first five, over 95%"
HISTORY = "history of all organizations, p95, within 2 x of 1,000 organizations"
NEEDS_ACTION = "needs action, p95, within 300 ms"
ROWS = (SEARCH, MISSPELLED, FOUND, HISTORY, NEEDS_ACTION)
_NAMES = 200
_TARGET_MS, _NEEDS_TARGET_MS, _TARGET_PERCENT = 100, 300, 95
_PALETTE = {"hx-request": "true"}
_PAGES = 20
_HISTORIES = ("", "?kind=limits", "?by=somebody", "?from=2026-01-01")


def measure(run: Run) -> Iterator[Row]:
    if run.selects(SEARCH, MISSPELLED, FOUND):
        yield from _searches(run)
    if run.selects(HISTORY):
        yield _history(run)
    if run.selects(NEEDS_ACTION):
        yield _needs_action(run)


def _searches(run: Run) -> Iterator[Row]:
    names = _names(run)
    typed = {id_: misspell(name, n) for n, (id_, name) in enumerate(names.items())}
    right, wrong = list(names.values()), list(typed.values())
    medians = run.rounds(
        "search", {"right": _p95(run, right), "misspelled": _p95(run, wrong)}
    )
    for title, name in ((SEARCH, "right"), (MISSPELLED, "misspelled")):
        p95 = medians[name]
        yield Row(title, p95, _TARGET_MS, "ms", _TARGET_MS / p95, 1, 2)
    percent = _percent_found(run, typed)
    yield Row(FOUND, percent, _TARGET_PERCENT, "%", percent / _TARGET_PERCENT, 1, 1.05)


def _names(run: Run) -> dict[int, str]:
    """Return the names of 200 organizations by ID, the same ones in each run."""
    numbers = random.Random(7).sample(  # noqa: S311
        range(1, run.big.organizations + 1), min(_NAMES, run.big.organizations)
    )
    ids = [run.big.organization_id(number) for number in numbers]
    with run.stack.connect(run.big.database) as connection:
        rows = connection.execute(
            "select id, name from orgs_organization where id = any(%s)", [ids]
        ).fetchall()
    return dict(rows)


def _request(run: Run, text: str) -> bytes:
    headers = {**http.session_header(run.big.session), **_PALETTE}
    return http.get_request(f"/search/?q={quote(text)}", headers)


def _p95(run: Run, texts: list[str]) -> Contender:
    requests = [_request(run, text) for text in texts]
    return lambda: _measure_p95(run.web, requests)


def _measure_p95(site: Site, requests: list[bytes]) -> float:
    result = load.run(load.Load(site.port, requests, connections=1))
    return 1000 * result.percentile(95)


def _percent_found(run: Run, typed: dict[int, str]) -> float:
    """Return how many of 100 organizations are found by a misspelled name."""
    requests = [_request(run, text) for text in typed.values()]
    result = load.run(
        load.Load(run.web.port, requests, connections=1, keeps_bodies=True)
    )
    missed = [
        text
        for (id_, text), body in zip(typed.items(), result.bodies, strict=True)
        if not _is_in_first_five(body.decode(), id_)
    ]
    print_progress(f"misspelled and not found: {', '.join(missed) or 'none'}")
    return 100 * (1 - len(missed) / len(typed))


def _is_in_first_five(page: str, id_: int) -> bool:
    section = page.partition('data-results="organization"')[2]
    links = section.partition("data-results=")[0].split('href="')[1:6]
    return any(link.startswith(f'/organizations/{id_}/"') for link in links)


def _history(run: Run) -> Row:
    sites = {"big": (run.web, run.big), "small": (run.web_of_small, run.small)}
    contenders = {
        name: _pages(site, fleet, [f"/history/{query}" for query in _HISTORIES])
        for name, (site, fleet) in sites.items()
    }
    medians = run.rounds("history", contenders)
    big, small = medians["big"], medians["small"]
    return Row(HISTORY, big, small, "ms", 2 * small / big, 1, 2)


def _needs_action(run: Run) -> Row:
    paths = ["/needs-action/", "/needs-action/?reason=limits"]
    p95 = run.rounds("needs action", {"page": _pages(run.web, run.big, paths)})["page"]
    ratio = _NEEDS_TARGET_MS / p95
    return Row(NEEDS_ACTION, p95, _NEEDS_TARGET_MS, "ms", ratio, 1, 2)


def _pages(site: Site, fleet: Fleet, paths: list[str]) -> Contender:
    session = http.session_header(fleet.session)
    requests = [http.get_request(path, session) for path in paths] * _PAGES
    return lambda: _measure_p95(site, requests)
