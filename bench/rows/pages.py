"""The organization list and the fleet overview: a big fleet against a small one."""

import random
import re
from collections.abc import Iterator, Sequence
from html import unescape

from bench import http, load
from bench.data import COMMON_WORD, RARE_WORD, external_id
from bench.report import Row, not_served
from bench.run import Contender, Run, print_progress
from bench.stack import Fleet, Site

LIST = "organization list, p95, within 2 x of 1,000 organizations"
OVER_ADMIN = "organization list, p95, over the stock admin"
OVERVIEW = "fleet overview, p95, within 2 x of 1,000 organizations"
ROWS = (LIST, OVER_ADMIN, OVERVIEW)
_UNIT = "ms"
_SORTS = ("cost", "name", "created", "limit")
_ADMIN_SORTS = {"cost": "", "name": "1", "created": "-5"}
_ADMIN_ROUNDS = 3
_SLOWEST = 3
_SHOWN = 50  # characters of a path, which a cursor can make long
_NEXT = re.compile(r'href="([^"]*[?&](?:amp;)?cursor=[^"]*)"')
_OK = 200


def measure(run: Run) -> Iterator[Row]:
    if run.selects(LIST, OVER_ADMIN):
        yield from _lists(run)
    if run.selects(OVERVIEW):
        yield _overview(run)


def _lists(run: Run) -> Iterator[Row]:
    contenders = {
        "big": _p95(run, run.web, _list_requests(run.web, run.big)),
        "small": _p95(
            run, run.web_of_small, _list_requests(run.web_of_small, run.small)
        ),
    }
    medians = run.rounds("list", contenders)
    big, small = medians["big"], medians["small"]
    yield Row(LIST, big, small, _UNIT, 2 * small / big, 1, 2)
    if run.selects(OVER_ADMIN):
        yield _over_admin(run, contenders["big"])


def _over_admin(run: Run, orgdesk: Contender) -> Row:
    """Compare with the admin in fewer rounds.

    With a million organizations the admin takes seconds per page.
    """
    admin = run.peer("admin")
    requests = _admin_requests(admin, run.big)
    contenders = {
        "orgdesk": orgdesk,
        "admin": lambda: 1000 * _fetch_all(admin, requests).percentile(95),
    }
    medians = run.rounds(
        "list and admin", contenders, rounds=min(_ADMIN_ROUNDS, run.sizes.rounds)
    )
    big, other = medians["orgdesk"], medians["admin"]
    return Row(OVER_ADMIN, big, other, _UNIT, other / big, 10, 10)


def _overview(run: Run) -> Row:
    sites = {"big": (run.web, run.big), "small": (run.web_of_small, run.small)}
    contenders = {}
    for name, (site, fleet) in sites.items():
        session = http.session_header(fleet.session)
        if http.fetch(site.port, "/", session).status != _OK:
            return not_served(OVERVIEW, _UNIT, target=1, goal=2)
        contenders[name] = _p95(run, site, [http.get_request("/", session)] * 20)
    medians = run.rounds("overview", contenders)
    big, small = medians["big"], medians["small"]
    return Row(OVERVIEW, big, small, _UNIT, 2 * small / big, 1, 2)


def _searches(fleet: Fleet) -> Sequence[str]:
    return ("", COMMON_WORD, RARE_WORD, external_id(fleet.organizations // 3))


def _list_requests(site: Site, fleet: Fleet) -> list[bytes]:
    """Return a request for each search and sort, and for each second page."""
    session = http.session_header(fleet.session)
    paths = []
    for search in _searches(fleet):
        for sort in _SORTS:
            path = "/organizations/" + http.query(q=search, sort=sort)
            paths.append(path)
            paths += _next_page(site, path, session)
    random.Random(7).shuffle(paths)  # noqa: S311
    return [http.get_request(path, session) for path in paths]


def _next_page(site: Site, path: str, session: dict[str, str]) -> list[str]:
    reply = http.fetch(site.port, path, session)
    if reply.status != _OK:
        raise load.UnexpectedResponse(f"{reply.status} at {path}")
    link = _NEXT.search(reply.body.decode())
    if not link:
        return []
    href = unescape(link[1])
    return [href if href.startswith("/") else f"/organizations/{href}"]


def _admin_requests(site: Site, fleet: Fleet) -> list[bytes]:
    """Return the same requests to the admin, which sorts by name instead of cost."""
    session = http.session_header(fleet.admin_session)
    paths = [
        "/admin/tables/organization/" + http.query(q=search, o=_ADMIN_SORTS[sort], p=p)
        for search in _searches(fleet)
        for sort in _ADMIN_SORTS
        for p in ("", "2")
    ]
    served = [p for p in paths if http.fetch(site.port, p, session).status == _OK]
    return [http.get_request(path, session) for path in served]


def _p95(run: Run, site: Site, requests: list[bytes]) -> Contender:
    """Return a function that fetches pages one by one and returns the p95 in ms.

    It also prints the slowest pages.
    """

    def measure_p95() -> float:
        result = _fetch_all(site, requests * run.sizes.pages)
        by_path: dict[str, float] = {}
        for number, seconds in enumerate(result.latencies):
            path = requests[number % len(requests)].split(b" ", 2)[1].decode()
            by_path[path] = max(by_path.get(path, 0.0), 1000 * seconds)
        slowest = sorted(by_path, key=lambda path: -by_path[path])[:_SLOWEST]
        summary = ", ".join(f"{path[:_SHOWN]} {by_path[path]:.0f}" for path in slowest)
        print_progress(f"{site.name}, slowest in ms: {summary}")
        return 1000 * result.percentile(95)

    return measure_p95


def _fetch_all(site: Site, requests: list[bytes]) -> load.LoadResult:
    return load.run(load.Load(site.port, requests, connections=1))
