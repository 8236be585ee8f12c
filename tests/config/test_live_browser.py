"""Fragments that refresh themselves while a user clicks or types in them."""

from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import BrowserContext, Page, Route, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from billing.models import SyncRun
from tests.factories import NOW, make_user, make_white_label
from tests.support.browser import LAUNCH

pytestmark = pytest.mark.browser


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return LAUNCH


@pytest.fixture
def jobs(
    committed: None,
    settings: Settings,
    context: BrowserContext,
    live_server: LiveServer,
) -> Page:
    """Open the sync page while a run is active, so that its fragment refreshes."""
    settings.STRIPE_SECRET_KEY = "sk_test_nobody"
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    acme = make_white_label("acme")
    make_white_label("zebra")
    SyncRun.objects.create(white_label=acme, state="running", started_at=NOW)
    client = Client()
    client.force_login(make_user("ada", is_superuser=True))
    session, base = client.cookies["session"].value, str(live_server.url)
    context.add_cookies([{"name": "session", "value": session, "url": base}])
    page = context.new_page()
    page.goto(f"{base}/stripe/")
    return page


def wait_for_refresh(page: Page) -> None:
    with page.expect_response("**/stripe/?watching=*"):
        pass


def test_a_slow_click_survives_a_refresh_of_its_fragment(jobs: Page) -> None:
    wait_for_refresh(jobs)
    button = jobs.get_by_role("button", name="Sync now Zebra")
    button.hover()
    jobs.mouse.down()
    jobs.wait_for_timeout(2_200)  # longer than two refreshes are apart
    jobs.mouse.up()

    expect(jobs.get_by_role("progressbar", name="Sync of Zebra")).to_be_visible()
    assert SyncRun.objects.filter(white_label__slug="zebra").count() == 1
    wait_for_refresh(jobs)


def test_a_held_key_survives_a_refresh_of_its_fragment(jobs: Page) -> None:
    button = jobs.get_by_role("button", name="Sync now Zebra")
    button.focus()
    jobs.keyboard.down("Space")
    jobs.wait_for_timeout(2_200)
    jobs.keyboard.up("Space")

    expect(jobs.get_by_role("progressbar", name="Sync of Zebra")).to_be_visible()
    wait_for_refresh(jobs)


def test_nothing_is_refreshed_while_a_click_awaits_its_response(jobs: Page) -> None:
    """A refresh would remove the element that the response belongs to."""
    held: list[Route] = []
    requested: list[str] = []

    def hold(route: Route) -> None:
        held.append(route)

    wait_for_refresh(jobs)
    jobs.route("**/stripe/sync/*/", hold)
    with jobs.expect_request("**/stripe/sync/*/"):
        jobs.get_by_role("button", name="Sync now Zebra").click()
    jobs.on("request", lambda request: requested.append(request.url))
    jobs.wait_for_timeout(2_200)
    assert requested == []
    held[0].continue_()
    expect(jobs.get_by_role("progressbar", name="Sync of Zebra")).to_be_visible()
