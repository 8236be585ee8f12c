"""Screenshots of the running product (`make up` first): `make screenshots`.

Writes docs/*.png for README; `--all DIR` writes every page, light and dark, at phone
and desktop width, to review the effect of a change.
"""

import argparse
import os
import re
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from config.dev.servers.paths import state_dir
from tests import ROOT
from tests.support.browser import LAUNCH

DOCS = ROOT / "docs"
SIZES = {"1440": (1440, 1000), "390": (390, 844)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="DIR")
    parser.add_argument("--organization", default="Helvetia Robotics")
    options = parser.parse_args()
    base = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**LAUNCH)
        if options.all:
            _everything(browser, base, options.all, options.organization)
        else:
            _for_docs(browser, base, options.organization)
        browser.close()


def _for_docs(browser: Browser, base: str, organization: str) -> None:
    DOCS.mkdir(exist_ok=True)
    page = _logged_in(browser, base, "light", (1360, 980))
    page.goto(f"{base}/?white_label=acme-cloud")
    page.locator(".chart__picture").first.wait_for()
    page.wait_for_timeout(500)
    page.screenshot(path=DOCS / "fleet.png")
    page.goto(f"{base}/organizations/")
    page.screenshot(path=DOCS / "organizations.png")
    page.get_by_role("link", name=organization).click()
    page.locator(".chart__picture").first.wait_for()
    page.wait_for_timeout(500)
    page.screenshot(path=DOCS / "organization.png")


def _everything(browser: Browser, base: str, folder: Path, organization: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        for name, size in SIZES.items():
            page = _logged_in(browser, base, scheme, size)
            for slug, path in _paths(page, base, organization).items():
                page.goto(f"{base}{path}")
                page.wait_for_timeout(1500)
                page.screenshot(
                    path=folder / f"{slug}-{scheme}-{name}.png", full_page=True
                )
            page.context.close()


def _paths(page: Page, base: str, organization: str) -> dict[str, str]:
    page.goto(f"{base}/organizations/?q={organization}")
    link = page.get_by_role("link", name=organization)
    one = re.sub(r"\?.*", "", link.get_attribute("href") or "")
    return {
        "fleet": "/",
        "fleet-one": "/?white_label=acme-cloud&range=12m",
        "list": "/organizations/",
        "deleted": "/organizations/?state=deleted",
        "nothing": "/organizations/?q=no+such",
        "overview": one,
        "costs": f"{one}costs/?range=12m",
        "usage": f"{one}usage/",
        "billing": f"{one}billing/",
        "people": f"{one}people/",
        "history": f"{one}history/",
        "keys": "/api-keys/",
        "api": "/api/docs",
        "admin": "/admin/",
        "admin-list": "/admin/orgs/organization/",
        "admin-form": "/admin/metrics/rate/add/",
        "mfa": "/accounts/2fa/",
        "missing": "/organizations/0/",
        "components": "/components/",
    }


def _logged_in(browser: Browser, base: str, scheme: str, size: tuple[int, int]) -> Page:
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": size[0], "height": size[1]},
    )
    page = context.new_page()
    page.goto(f"{base}/accounts/login/")
    page.get_by_label("Login").fill("demo@orgdesk.example")
    page.get_by_label("Password").fill((state_dir() / "demo_password").read_text())
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{base}/")
    return page


if __name__ == "__main__":
    main()
