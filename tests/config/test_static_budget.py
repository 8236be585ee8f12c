"""Size of a first view, with the web server and the static files of production.

`collectstatic` builds the files as `make up` does; Chromium counts the bytes received.
"""

import gzip
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import brotli
import pytest
from django.conf import settings as configured
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from pytest_django import Settings

from config.dev.servers.supervisor import programs
from config.staticfiles import HashedStorage
from metrics.commands.record import record_usage
from metrics.events import parse_event
from orgs.models import Organization, WhiteLabel
from tests import ROOT
from tests.factories import (
    make_key,
    make_organizations,
    make_rate,
    make_user,
    make_white_label,
)
from tests.support.browser import LAUNCH
from tests.support.processes import eventually, free_port

pytestmark = pytest.mark.process
BUDGET = 120_000  # bytes of a first view with headers, without the chart library
REQUESTS = 11  # of a first view: the page, its style sheet, its scripts, its icon
LIBRARY = "/static/plotly/"
YEAR = 31_536_000  # seconds
HASHED = re.compile(r"/static/.+\.[0-9a-f]{12}\.\w+")


# --- the served product -----------------------------------------------------------


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return LAUNCH


@pytest.fixture(scope="module")
def base(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Start the web process of the product on the database of the tests."""
    state, port = tmp_path_factory.mktemp("served"), free_port()
    (state / "logs").mkdir()
    web = programs(state, port)[0]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _environment(state).items():
            patch.setenv(name, value)
        _manage("collectstatic", "--noinput", "--verbosity=0")
        web.start(time.sleep)
    url = f"http://127.0.0.1:{port}"
    assert eventually(lambda: _is_served(url), seconds=60), web.log.read_text()
    yield url
    web.stop()


def _environment(state: Path) -> dict[str, str]:
    host = quote(configured.DATABASES["default"]["HOST"], safe="/")
    name = connection.settings_dict["NAME"]
    return {
        "DATABASE_URL": f"postgresql://orgdesk@/{name}?host={host}",
        "REDIS_URL": configured.REDIS_URL,
        "STATE_DIR": str(state),
        "HASHED_STATIC": "1",
    }


def _manage(*arguments: str) -> None:
    subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, check=True)


def _is_served(url: str) -> bool:
    try:
        return bool(_ask(f"{url}/healthz").status == 200)
    except OSError:
        return False


def _ask(url: str, encoding: str = "identity") -> Any:
    request = urllib.request.Request(url, headers={"Accept-Encoding": encoding})
    return urllib.request.urlopen(request, timeout=20)


@pytest.fixture
def org(committed: None) -> Organization:
    """Record 90 days of five products, and costs of 60 other organizations."""
    acme = make_white_label("acme")
    others = [{"external_id": f"other-{number}"} for number in range(60)]
    make_organizations(acme, [{"external_id": "org-7"}, *others])
    for product in range(5):
        make_rate(acme, "0.37", product=f"model-{product}")
    uses = [("org-7", product, day) for product in range(5) for day in range(90)]
    uses += [(other["external_id"], 0, day) for other in others for day in range(30)]
    _record(acme, uses)
    return Organization.objects.get(external_id="org-7")


def _record(white_label: WhiteLabel, uses: list[tuple[str, int, int]]) -> None:
    """Record uses, each an organization, a product and an age in days."""
    now = timezone.now()
    events = [
        {
            "id": f"{product}-{day}",
            "organization": organization,
            "timestamp": (now - timedelta(days=day)).isoformat(),
            "product": f"model-{product}",
            "quantities": {"requests": 1_009 + day * 7_919 % 997 * (product + 1)},
        }
        for organization, product, day in uses
    ]
    parsed = [parse_event(json.dumps(event).encode()) for event in events]
    assert record_usage(white_label, list(enumerate(parsed))).accepted == len(uses)


@pytest.fixture
def inside(
    context: BrowserContext, org: Organization, client: Client, base: str
) -> BrowserContext:
    """Log a superuser in and return the browser context."""
    client.force_login(make_user("ada", is_superuser=True))
    session = client.cookies["session"].value
    context.add_cookies([{"name": "session", "value": session, "url": base}])
    return context


# --- what Chromium loads ----------------------------------------------------------


class Loaded:
    """Requests of a page with an empty cache: their URLs and bytes on the wire."""

    def __init__(self, page: Page) -> None:
        self._urls: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        wire = page.context.new_cdp_session(page)
        wire.send("Network.enable")
        wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
        wire.on("Network.requestWillBeSent", self._sent)
        wire.on("Network.loadingFinished", self._finished)

    def _sent(self, event: dict[str, Any]) -> None:
        self._urls[event["requestId"]] = event["request"]["url"]

    def _finished(self, event: dict[str, Any]) -> None:
        self._sizes[event["requestId"]] = int(event["encodedDataLength"])

    @property
    def urls(self) -> list[str]:
        return list(self._urls.values())

    @property
    def libraries(self) -> list[str]:
        return [url for url in self.urls if LIBRARY in url]

    @property
    def size(self) -> int:
        """Bytes of all requests, without those of the chart library."""
        return sum(
            size for key, size in self._sizes.items() if LIBRARY not in self._urls[key]
        )


def _view(context: BrowserContext, url: str) -> tuple[Page, Loaded]:
    page = context.new_page()
    loaded = Loaded(page)
    page.goto(url)
    page.wait_for_load_state("networkidle")
    return page, loaded


def _paths(org: Organization) -> list[str]:
    one = f"/organizations/{org.pk}/"
    tabs = ("", "usage/", "costs/", "billing/", "people/", "history/")
    year = f"{one}costs/?range=12m&grain=daily"
    return ["/", "/organizations/", *(f"{one}{tab}" for tab in tabs), year]


@pytest.mark.browser
def test_a_first_view_is_small_and_loads_from_one_host(
    inside: BrowserContext, browser: Browser, org: Organization, base: str
) -> None:
    views = {path: _view(inside, f"{base}{path}")[1] for path in _paths(org)}
    with browser.new_context() as stranger:
        login = "/accounts/login/"
        _, views[login] = _view(stranger, f"{base}{login}")

    sizes = {path: loaded.size for path, loaded in views.items()}
    assert {path: size for path, size in sizes.items() if size >= BUDGET} == {}
    assert min(sizes.values()) > 20_000  # Chromium has counted them
    urls = {url for loaded in views.values() for url in loaded.urls}
    assert [url for url in urls if not url.startswith((f"{base}/", "data:"))] == []
    requests = {path: _requests_of(loaded) for path, loaded in views.items()}
    assert {path: urls for path, urls in requests.items() if len(urls) > REQUESTS} == {}
    sheets = [[url for url in urls if ".css" in url] for urls in requests.values()]
    assert [len(urls) for urls in sheets] == [1] * len(views)


def _requests_of(loaded: Loaded) -> list[str]:
    """Return the URLs loaded over HTTP, without the chart library."""
    library = loaded.libraries
    return [url for url in loaded.urls if url.startswith("http") and url not in library]


@pytest.mark.browser
def test_pointing_at_a_chart_runs_the_chart_library_once(
    inside: BrowserContext, org: Organization, base: str
) -> None:
    page, loaded = _view(inside, f"{base}/organizations/{org.pk}/")
    page.wait_for_timeout(500)
    assert page.evaluate("window.Plotly") is None
    picture = page.locator(".chart__picture").first
    expect(picture).to_be_visible()

    page.locator(".chart__plot").first.hover()
    page.locator(".js-plotly-plot").first.wait_for()
    expect(picture).to_be_hidden()

    page.get_by_role("link", name="Usage", exact=True).click()
    page.wait_for_url("**/usage/")
    expect(page.locator(".js-plotly-plot")).to_have_count(0)
    page.locator("figure summary").first.focus()
    page.locator(".js-plotly-plot").first.wait_for()
    assert len(set(loaded.libraries)) == 1


@pytest.mark.browser
def test_a_chart_keeps_its_picture_while_the_library_loads(
    inside: BrowserContext, org: Organization, base: str
) -> None:
    held: list[Route] = []
    page = inside.new_page()

    def hold(route: Route) -> None:
        held.append(route)

    page.route(f"**{LIBRARY}*", hold)
    page.goto(f"{base}/organizations/{org.pk}/")
    expect(page.locator("#costs-title")).to_contain_text("in 30 days")
    page.locator(".chart__plot").first.hover()
    expect(page.locator(".chart__picture").first).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(0)

    page.wait_for_timeout(200)
    for route in held:
        route.continue_()
    page.locator(".js-plotly-plot").first.wait_for()


# --- files and pages on the wire --------------------------------------------------


@pytest.mark.browser
def test_static_files_have_hashed_names_and_are_cached_for_a_year(
    inside: BrowserContext, org: Organization, base: str
) -> None:
    _, loaded = _view(inside, f"{base}/organizations/{org.pk}/")
    files = sorted({url for url in loaded.urls if "/static/" in url})

    assert len(files) > 8
    for file in files:
        assert HASHED.search(file), file
        cache_control = _ask(file).headers["Cache-Control"]
        assert "immutable" in cache_control
        [age] = re.findall(r"max-age=(\d+)", cache_control)
        assert int(age) >= YEAR


@pytest.mark.parametrize(
    ("accepted", "given"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("identity", None),
    ],
)
def test_static_files_are_compressed_as_the_browser_accepts(
    base: str, accepted: str, given: str | None
) -> None:
    unpacked = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}
    for name in ("css/app.css", "plotly/plotly.min.js"):
        url = f"{base}{_hashed(base, name)}"
        whole, answer = _ask(url).read(), _ask(url, accepted)
        body = answer.read()

        assert answer.headers["Content-Encoding"] == given
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert unpacked[given](body) == whole
        assert (len(body) < len(whole) * 0.6) == (given is not None)


def _hashed(base: str, name: str) -> str:
    """Return the URL of a static file, with its hash, as a page has it."""
    page = _ask(f"{base}/accounts/login/").read().decode()
    stem, _, ending = name.rpartition(".")
    [url] = re.findall(rf'="(/static/{re.escape(stem)}\.[^"]+\.{ending})"', page)
    return str(url)


def test_a_style_sheet_contains_its_imports_and_is_renamed_with_them(
    tmp_path: Path, settings: Settings
) -> None:
    """A changed import gives the style sheet another name."""
    source, sheet = tmp_path / "source", "css/app.css"
    (source / "css").mkdir(parents=True)
    (source / sheet).write_text('@layer base;\n@import url("base.css") layer(base);\n')
    (source / "css/base.css").write_text("h1 { color: red; }\n")
    settings.WHITENOISE_KEEP_ONLY_HASHED_FILES = True
    storage = HashedStorage(location=tmp_path / "served", base_url="/static/")

    def collect() -> str:
        folder = FileSystemStorage(source)
        list(storage.post_process({p: (folder, p) for p in (sheet, "css/base.css")}))
        return storage.url(sheet, force=True)

    first = collect()
    served = tmp_path / "served" / first.removeprefix("/static/")
    assert served.read_text() == "@layer base;\n@layer base {\nh1 { color: red; }\n}\n"
    assert storage.url(sheet, force=True) == first

    (source / "css/base.css").write_text("h1 { color: blue; }\n")
    second = collect()
    assert second != first
    settings.DEBUG = True  # URLs have no hash in development, unless forced
    assert storage.url(sheet) == "/static/css/app.css"
    assert storage.url(sheet, force=True) == second


def test_pages_are_compressed_and_api_responses_are_not(
    db: None, client: Client
) -> None:
    accepts = {"accept-encoding": "gzip"}
    page = client.get("/accounts/login/", headers=accepts)
    assert page["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in page["Vary"]
    assert b"<html" in gzip.decompress(page.content)
    assert "Content-Encoding" not in client.get("/accounts/login/")

    key = make_key(make_white_label(), "organizations:read")
    answer = client.get("/api/v1/organizations", headers={**accepts, "x-api-key": key})
    assert answer.status_code == 200
    assert "Content-Encoding" not in answer
