"""Passkeys in Chromium, with an authenticator that exists in the browser only."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from orgs.models import User
from tests.factories import make_user
from tests.support.browser import LAUNCH
from tests.support.factors import PASSWORD, code_at, with_password

pytestmark = pytest.mark.browser


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return LAUNCH


@pytest.fixture
def person(committed: None, settings: Settings) -> User:
    settings.REQUIRE_TWO_FACTOR = True
    return with_password(make_user("ada", is_superuser=True))


@pytest.fixture
def page(
    context: BrowserContext, person: User, live_server: LiveServer
) -> Iterator[Page]:
    """Open a page with a virtual authenticator; its console must stay empty."""
    tab = context.new_page()
    messages: list[str] = []
    tab.on("console", lambda message: messages.append(message.text))
    tab.on("pageerror", lambda error: messages.append(str(error)))
    session = context.new_cdp_session(tab)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield tab
    assert messages == []


@pytest.fixture
def base(live_server: LiveServer) -> str:
    return str(live_server.url).replace("127.0.0.1", "localhost")


def log_in(page: Page, base: str) -> None:
    page.goto(f"{base}/accounts/login/")
    page.get_by_label("Login").fill("ada")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.locator("[data-password-form] button").click()


def confirm(page: Page) -> None:
    """Confirm the password if the page asks for it again."""
    field = page.get_by_label("Password", exact=True)
    if field.count():
        field.fill(PASSWORD)
        page.get_by_role("button", name="Confirm").click()


def shoot(page: Page, name: str) -> None:
    """Write screenshots of the page if the variable SCREENSHOTS names a folder."""
    folder = os.environ.get("SCREENSHOTS", "")
    if not folder:
        return
    for width in (1440, 390):
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            path = Path(folder) / f"{name}-{width}-{scheme}.png"
            page.screenshot(path=path, full_page=True)
    page.set_viewport_size({"width": 1280, "height": 720})


def test_a_passkey_is_added_renamed_used_and_removed(page: Page, base: str) -> None:
    shoot_login(page, base)
    log_in(page, base)
    expect(page.locator("[data-two-factor-required]")).to_be_visible()
    shoot(page, "overview-required")
    page.goto(f"{base}/accounts/2fa/webauthn/add/")
    confirm(page)
    shoot(page, "passkey-add")
    page.get_by_label("Name").fill("Laptop")
    expect(page.get_by_label("without a password")).to_be_checked()
    page.get_by_role("button", name="Add the passkey").click()
    codes = page.locator("[data-codes] pre")
    expect(codes).to_be_visible()
    assert len(codes.inner_text().split()) == 10
    shoot(page, "codes")
    page.reload()
    expect(page.locator("[data-codes-left='10']")).to_be_visible()
    expect(codes).to_have_count(0)

    page.context.clear_cookies()
    page.goto(f"{base}/accounts/login/?next=/organizations/")
    page.locator("[data-passkey=login] button").click()
    page.wait_for_url(lambda url: "/accounts/login/" not in url)
    page.goto(f"{base}/organizations/")
    expect(page).to_have_url(f"{base}/organizations/")

    page.context.clear_cookies()
    log_in(page, base)
    shoot(page, "second-step")
    page.locator("[data-passkey=get] button").click()
    page.wait_for_url(f"{base}/")

    page.goto(f"{base}/accounts/2fa/webauthn/")
    shoot(page, "passkeys")
    page.get_by_role("link", name="Rename").click()
    confirm(page)
    page.get_by_label("Name").fill("Old laptop")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("[data-passkey-row]")).to_contain_text("Old laptop")
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove the passkey").click()
    page.goto(f"{base}/organizations/")
    expect(page.locator("[data-two-factor-required]")).to_be_visible()
    assert not Authenticator.objects.exists()


def shoot_login(page: Page, base: str) -> None:
    page.goto(f"{base}/accounts/login/")
    shoot(page, "login")


def test_an_app_is_set_up_by_its_secret(page: Page, base: str) -> None:
    log_in(page, base)
    page.get_by_role("link", name="Set up an app").click()
    confirm(page)
    seed = page.locator("[data-seed]").inner_text()
    shoot(page, "app")
    page.get_by_label("Code").fill(code_at(seed=seed))
    page.get_by_role("button", name="Turn on").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert len(Path(download.value.path()).read_text().split()) == 10
    page.get_by_role("link", name="I saved the codes").click()
    expect(page).to_have_url(f"{base}/")
    page.goto(f"{base}/accounts/2fa/")
    shoot(page, "overview")
    page.get_by_role("link", name="Generate new codes").click()
    shoot(page, "generate")
