"""The organization list and the fleet's overview, big beside small."""

import random
import re
from collections.abc import Iterator, Sequence
from html import unescape

from bench import http, load
from bench.data import COMMON_WORD, RARE_WORD, external_id
from bench.report import Row, not_served
from bench.run import Contender, Run, say
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
_SHOWN = 50  # characters of a path: a cursor has many
_NEXT = re.compile(r'href="([^"]*[?&](?:amp;)?cursor=[^"]*)"')
_OK = 200


def measure(run: Run) -> Iterator[Row]:
    if run.wants(LIST, OVER_ADMIN):
        yield from _lists(run)
    if run.wants(OVERVIEW):
        yield _overview(run)


def _lists(run: Run) -> Iterator[Row]:
    contenders = {
        "big": _p95(run, run.web, _list_requests(run.web, run.big)),
        "small": _p95(
            run, run.web_of_small, _list_requests(run.web_of_small, run.small)
        ),
    }
    found = run.rounds("list", contenders)
    big, small = found["big"], found["small"]
    yield Row(LIST, big, small, _UNIT, 2 * small / big, 1, 2)
    if run.wants(OVER_ADMIN):
        yield _over_admin(run, contenders["big"])


def _over_admin(run: Run, ours: Contender) -> Row:
    """Fewer rounds: over a million organizations a page takes it seconds."""
    admin = run.peer("admin")
    requests = _admin_requests(admin, run.big)
    contenders = {
        "ours": ours,
        "admin": lambda: 1000 * _ask(admin, requests).percentile(95),
    }
    found = run.rounds(
        "list and admin", contenders, rounds=min(_ADMIN_ROUNDS, run.sizes.rounds)
    )
    big, other = found["ours"], found["admin"]
    return Row(OVER_ADMIN, big, other, _UNIT, other / big, 10, 10)


def _overview(run: Run) -> Row:
    sites = {"big": (run.web, run.big), "small": (run.web_of_small, run.small)}
    contenders = {}
    for name, (site, fleet) in sites.items():
        session = http.with_session(fleet.session)
        if http.ask(site.port, "/", session).status != _OK:
            return not_served(OVERVIEW, _UNIT, must=1, aim=2)
        contenders[name] = _p95(run, site, [http.get("/", session)] * 20)
    found = run.rounds("overview", contenders)
    ratio = 2 * found["small"] / found["big"]
    return Row(OVERVIEW, found["big"], found["small"], _UNIT, ratio, 1, 2)


def _searches(fleet: Fleet) -> Sequence[str]:
    return ("", COMMON_WORD, RARE_WORD, external_id(fleet.organizations // 3))


def _list_requests(site: Site, fleet: Fleet) -> list[bytes]:
    """Every search by every sort, and the second page where there is one."""
    session = http.with_session(fleet.session)
    paths = []
    for search in _searches(fleet):
        for sort in _SORTS:
            path = "/organizations/" + http.query(q=search, sort=sort)
            paths.append(path)
            paths += _next_page(site, path, session)
    random.Random(7).shuffle(paths)  # noqa: S311
    return [http.get(path, session) for path in paths]


def _next_page(site: Site, path: str, session: dict[str, str]) -> list[str]:
    reply = http.ask(site.port, path, session)
    if reply.status != _OK:
        raise load.WrongAnswer(f"{reply.status} at {path}")
    found = _NEXT.search(reply.body.decode())
    if not found:
        return []
    href = unescape(found[1])
    return [href if href.startswith("/") else f"/organizations/{href}"]


def _admin_requests(site: Site, fleet: Fleet) -> list[bytes]:
    """The same searches, sorts and pages; it cannot sort by cost: by its default."""
    session = http.with_session(fleet.admin_session)
    paths = [
        "/admin/tables/organization/" + http.query(q=search, o=_ADMIN_SORTS[sort], p=p)
        for search in _searches(fleet)
        for sort in _ADMIN_SORTS
        for p in ("", "2")
    ]
    served = [p for p in paths if http.ask(site.port, p, session).status == _OK]
    return [http.get(path, session) for path in served]


def _p95(run: Run, site: Site, requests: list[bytes]) -> Contender:
    """Milliseconds, asked one after the other; says which were the slowest."""

    def ask() -> float:
        answer = _ask(site, requests * run.sizes.pages)
        by_path: dict[str, float] = {}
        for at, seconds in enumerate(answer.latencies):
            path = requests[at % len(requests)].split(b" ", 2)[1].decode()
            by_path[path] = max(by_path.get(path, 0.0), 1000 * seconds)
        slowest = sorted(by_path, key=lambda path: -by_path[path])[:_SLOWEST]
        told = ", ".join(f"{path[:_SHOWN]} {by_path[path]:.0f}" for path in slowest)
        say(f"{site.name}, slowest in ms: {told}")
        return 1000 * answer.percentile(95)

    return ask


def _ask(site: Site, requests: list[bytes]) -> load.Answer:
    return load.run(load.Load(site.port, requests, connections=1))
