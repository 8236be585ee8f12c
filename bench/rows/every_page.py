"""Every other page: a big fleet against a small one, a row for each page.

The list, the overview, the search, Needs action, the history, and the tabs of an
organization have other rows.
"""

from collections.abc import Iterator

from bench import http, load
from bench.report import Row, not_served
from bench.run import Contender, Run
from bench.stack import Site

FLEET_PAGES = (
    "/alerts/",
    "/alerts/emails/",
    "/unpriced/",
    "/exports/",
    "/stripe/",
    "/stripe/discrepancies/",
    "/stripe/webhook-events/",
    "/stripe/failed-jobs/",
    "/webhook-endpoints/",
    "/api-keys/",
)
# Of an organization with charts; its tabs are measured in `organization`.
ORGANIZATION_PAGES = (
    "/organizations/{}/access/",
    "/organizations/{}/periods/",
    "/organizations/{}/credits/",
    "/organizations/{}/integrations/",
    "/organizations/{}/webhooks/",
    "/organizations/{}/costs/lines/",
)
_PAGES = (*FLEET_PAGES, *ORGANIZATION_PAGES)
_UNIT = "ms"
_REQUESTS = 20  # of a page in a round; the slowest of twenty is their p95
_ROUNDS = 3
_OK = 200


def row_of(page: str) -> str:
    return f"page {page}, p95, within 2 x of 1,000 organizations"


ROWS = tuple(map(row_of, _PAGES))


def measure(run: Run) -> Iterator[Row]:
    """Yield a row for each selected page, measured in turns over both fleets."""
    for page in _PAGES:
        if run.selects(row_of(page)):
            yield _page(run, page)


def _page(run: Run, page: str) -> Row:
    sites = {"big": (run.web, run.big), "small": (run.web_of_small, run.small)}
    contenders = {}
    for name, (site, fleet) in sites.items():
        path = page.format(fleet.organization_id(1))
        session = http.session_header(fleet.session)
        if http.fetch(site.port, path, session).status != _OK:
            return not_served(row_of(page), _UNIT, target=1, goal=2)
        contenders[name] = _p95(site, http.get_request(path, session))
    medians = run.rounds(page, contenders, rounds=_ROUNDS)
    big, small = medians["big"], medians["small"]
    return Row(row_of(page), big, small, _UNIT, 2 * small / big, 1, 2)


def _p95(site: Site, request: bytes) -> Contender:
    requests = [request] * _REQUESTS
    return lambda: (
        1000 * load.run(load.Load(site.port, requests, connections=1)).percentile(95)
    )
