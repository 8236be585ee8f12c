"""Pages in Chromium: with mouse and keyboard, with and without JavaScript.

Days are counted from today, because the browser uses the real clock.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from metrics.commands.record import record_usage
from metrics.events import parse_event
from orgs.models import Organization
from tests.factories import make_organization, make_rate, make_user, make_white_label
from tests.support.browser import LAUNCH

pytestmark = pytest.mark.browser

WIDTHS = [320, 390, 820, 1366, 1440, 1920]
PASSWORD = "a long enough secret"


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return LAUNCH


def ago(days: int) -> date:
    return timezone.now().date() - timedelta(days=days)


def _event(organization: str, days: int, requests: int) -> bytes:
    return json.dumps(
        {
            "id": f"{organization}-{days}",
            "organization": organization,
            "timestamp": f"{ago(days)}T00:00:00Z",
            "product": "gpt",
            "quantities": {"requests": requests},
        }
    ).encode()


@pytest.fixture
def org(committed: None) -> Organization:
    """Create costs of $2.50 today and $3.50 yesterday, and earlier ones.

    These are $5.50 ten days ago and $50 forty days ago.
    """
    acme = make_white_label("acme")
    org = make_organization(acme, "org-7", name="Helios & Sons")
    make_organization(acme, "org-8", name="Decoy")
    make_rate(acme, "0.5")
    lines = [_event("org-7", *use) for use in ((0, 5), (1, 7), (10, 11), (40, 100))]
    lines.append(_event("org-8", 1, 1_000))
    events = [(number, parse_event(line)) for number, line in enumerate(lines)]
    record_usage(acme, events, now=timezone.now())
    return org


@pytest.fixture
def client_in(org: Organization) -> Client:
    user = make_user("ada", is_superuser=True)
    user.set_password(PASSWORD)
    user.save()
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def base(live_server: LiveServer) -> str:
    return str(live_server.url)


def _enter(context: BrowserContext, client: Client, base: str) -> Page:
    session = client.cookies["session"].value
    context.add_cookies([{"name": "session", "value": session, "url": base}])
    return context.new_page()


@pytest.fixture
def inside(context: BrowserContext, client_in: Client, base: str) -> Page:
    return _enter(context, client_in, base)


@pytest.fixture
def quiet(inside: Page) -> Iterator[list[str]]:
    """Collect errors and warnings of the console; at the end, there must be none."""
    messages: list[str] = []
    inside.on(
        "console",
        lambda message: (
            messages.append(message.text)
            if message.type in {"error", "warning"}
            else None
        ),
    )
    inside.on("pageerror", lambda error: messages.append(str(error)))
    yield messages
    assert messages == []


def _title(page: Page) -> Any:
    return expect(page.locator("#costs-title"))


def test_the_login_form_leads_to_the_list(
    page: Page, client_in: Client, base: str
) -> None:
    page.goto(f"{base}/organizations/")
    page.get_by_label("Login").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()

    page.wait_for_url(f"{base}/organizations/")
    expect(page.get_by_role("link", name="Helios & Sons")).to_be_visible()


def _settled(page: Page) -> None:
    """Wait until htmx has processed new content; until then its links are plain."""
    expect(page.locator(".htmx-swapping, .htmx-settling, .htmx-added")).to_have_count(0)


def test_range_and_grain_swap_the_panel_and_back_restores(
    inside: Page, org: Organization, base: str, quiet: list[str]
) -> None:
    overview = f"{base}/organizations/{org.pk}/"
    inside.goto(overview)
    _title(inside).to_contain_text("$11.50 in 30 days")
    inside.evaluate("window.sameDocument = true")

    inside.locator("a[id$='-7d']").click()
    _title(inside).to_contain_text("$6.00 in 7 days")
    expect(inside).to_have_url(f"{overview}?range=7d")
    expect(inside.locator("#costs-panel-7d")).to_be_focused()
    _settled(inside)

    inside.get_by_role("link", name="Monthly").click()
    _title(inside).to_contain_text("Cost per month")
    expect(inside).to_have_url(f"{overview}?range=7d&grain=monthly")
    _settled(inside)

    inside.go_back()
    _title(inside).to_contain_text("Cost per day $6.00 in 7 days")
    expect(inside.get_by_role("heading", name="Entitlements")).to_be_visible()
    inside.go_back()
    _title(inside).to_contain_text("$11.50 in 30 days")
    assert inside.evaluate("window.sameDocument")


def test_back_restores_the_whole_usage_page(
    inside: Page, org: Organization, base: str, quiet: list[str]
) -> None:
    inside.goto(f"{base}/organizations/{org.pk}/usage/")
    inside.locator("a[id$='-7d']").click()
    expect(inside).to_have_url(f"{base}/organizations/{org.pk}/usage/?range=7d")

    inside.go_back()

    expect(inside.get_by_role("heading", name="Daily metrics")).to_be_visible()
    expect(inside.get_by_role("heading", name="Requests per day")).to_have_count(1)


def test_a_custom_range_is_chosen_in_a_menu_and_stored_in_the_url(
    inside: Page, org: Organization, base: str, quiet: list[str]
) -> None:
    inside.goto(f"{base}/organizations/{org.pk}/costs/")
    inside.locator("#costs-panel-custom").click()
    inside.get_by_role("textbox", name="From").fill(ago(41).isoformat())
    inside.get_by_role("textbox", name="Through").fill(ago(10).isoformat())
    inside.get_by_role("button", name="Apply").click()

    _title(inside).to_contain_text("$55.50 in 32 days")
    address = f"?from={ago(41)}&through={ago(10)}"
    expect(inside).to_have_url(f"{base}/organizations/{org.pk}/costs/{address}")
    expect(inside.locator("#costs-panel-custom")).to_be_focused()
    inside.reload()
    _title(inside).to_contain_text("$55.50 in 32 days")


def test_the_table_has_the_numbers_of_the_chart(
    inside: Page, org: Organization, base: str, quiet: list[str]
) -> None:
    inside.goto(f"{base}/organizations/{org.pk}/costs/")
    chart = json.loads(inside.locator("#cost-chart").text_content() or "")
    inside.get_by_text("Show as table").click()
    cells = inside.locator(".disclosure tbody td:nth-child(2) data").evaluate_all(
        "cells => cells.map(cell => Number(cell.value))"
    )

    assert [series["name"] for series in chart["series"]] == ["gpt"]
    values = chart["series"][0]["y"]
    assert cells == [value for value in values if value is not None]
    assert [values[-1], values[-2], values[-11], sum(cells)] == [2.5, 3.5, 5.5, 11.5]


def _pages(org: Organization) -> list[str]:
    one = f"/organizations/{org.pk}/"
    return [
        "/",
        "/?white_label=acme&range=12m",
        "/organizations/",
        "/organizations/?q=nobody",
        *(f"{one}{tab}" for tab in ("", "usage/", "costs/?range=12m", "billing/")),
        *(f"{one}{tab}" for tab in ("people/", "history/")),
        "/components/",
        *(f"{one}{tab}" for tab in ("alerts/", "periods/")),
        *(f"{one}{tab}" for tab in ("customer-links/", "view-as/")),
        "/api/docs",
        "/accounts/2fa/",
        "/admin/",
        "/admin/orgs/organization/",
        f"/admin/orgs/organization/{org.pk}/change/",
    ]


def test_no_page_logs_errors_or_scrolls_sideways(
    inside: Page, org: Organization, base: str, quiet: list[str]
) -> None:
    inside.set_viewport_size({"width": 320, "height": 844})
    too_wide, nameless = [], []
    for path in _pages(org):
        inside.goto(f"{base}{path}")
        inside.wait_for_load_state("networkidle")
        too_wide += [(path, width) for width in WIDTHS if _is_too_wide(inside, width)]
        if not path.startswith("/admin/"):
            nameless += [(path, link) for link in _hard_to_use(inside)]
    assert (too_wide, nameless) == ([], [])


def _hard_to_use(page: Page) -> list[str]:
    """Return links without a name, too low for a finger, or inside an image."""
    page.set_viewport_size({"width": 390, "height": 844})
    links: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("a[href], button, summary")]
          .filter(one => one instanceof HTMLElement && one.checkVisibility())
          .filter(one => !(one.innerText.trim() || one.ariaLabel || one.title)
            || one.closest("th a.table__sort")?.getBoundingClientRect().height < 24)
          .concat(...document.querySelectorAll("[role=img] a"))
          .map(one => one.outerHTML)"""
    )
    return links


def _is_too_wide(page: Page, width: int) -> bool:
    page.set_viewport_size({"width": width, "height": 844})
    # Charts are drawn again in the frame after the change.
    page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    return bool(page.evaluate("document.documentElement.scrollWidth") > width)


def test_a_phone_shows_name_state_and_cost_of_each_row(
    inside: Page, org: Organization, base: str
) -> None:
    inside.set_viewport_size({"width": 390, "height": 844})
    inside.goto(f"{base}/organizations/")
    row = inside.get_by_role("row", name="Helios & Sons")
    for text in ("Helios & Sons", "No subscription", "$11.50"):
        box = row.get_by_text(text, exact=True).bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 390


def test_pages_and_ranges_work_without_javascript(
    browser: Browser, client_in: Client, org: Organization, base: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = _enter(context, client_in, base)
    page.goto(f"{base}/organizations/")
    page.get_by_role("link", name="Helios & Sons").click()
    _title(page).to_contain_text("$11.50 in 30 days")
    expect(page.locator(".chart__picture")).to_be_visible()

    page.locator("a[id$='-7d']").click()
    _title(page).to_contain_text("$6.00 in 7 days")
    page.get_by_text("Show as table").click()
    expect(page.locator(".disclosure tbody tr")).to_have_count(7)
    expect(page.locator(".disclosure [data-mark=missing]")).to_have_count(5)
    page.get_by_role("link", name="Hide gpt").click()
    expect(page.locator(".disclosure tbody td")).to_have_count(7)  # only the total
    page.get_by_role("link", name="Show all").click()
    page.locator("#costs-panel-custom").click()
    page.get_by_role("textbox", name="From").fill(ago(1).isoformat())
    page.get_by_role("button", name="Apply").click()
    _title(page).to_contain_text("$6.00 in 2 days")
    context.close()


def test_the_fleet_page_sums_its_organizations_and_swaps_its_chart(
    inside: Page, org: Organization, base: str, quiet: list[str]
) -> None:
    inside.goto(f"{base}/")
    _title(inside).to_contain_text("$511.50 in 30 days")
    inside.locator(".chart__plot").hover()
    inside.locator(".js-plotly-plot").first.wait_for()
    expect(inside.get_by_text("Nothing needs action")).to_be_visible()

    inside.locator("a[id$='-7d']").click()
    _title(inside).to_contain_text("$506.00 in 7 days")
    expect(inside).to_have_url(f"{base}/?range=7d")
    expect(inside.locator("#costs-panel-7d")).to_be_focused()
    inside.go_back()
    _title(inside).to_contain_text("$511.50 in 30 days")
    expect(inside.get_by_role("heading", name="Trials ending")).to_be_visible()


def test_a_bar_that_the_library_drew_leads_to_its_lines(
    inside: Page, org: Organization, base: str, quiet: list[str]
) -> None:
    costs = f"{base}/organizations/{org.pk}/costs/"
    inside.goto(f"{costs}?range=7d&compare=previous")
    plot = inside.locator(".chart__plot")
    plot.hover()
    inside.locator(".js-plotly-plot .nsewdrag").first.wait_for()
    size = plot.bounding_box()
    assert size is not None
    plot.click(position={"x": size["width"] - 60, "y": size["height"] - 50})
    inside.wait_for_url(f"{costs}lines/?from={ago(0)}&through={ago(0)}")


def test_the_currency_menu_works_by_keyboard_and_the_chart_keeps_it(
    inside: Page, org: Organization, base: str, quiet: list[str]
) -> None:
    make_organization(make_white_label("Europe", currency="eur"), "org-7")
    inside.goto(f"{base}/")
    inside.locator(".scope summary").focus()
    inside.keyboard.press("Enter")
    europe = inside.get_by_role("link", name="Europe")
    expect(europe).to_be_visible()
    europe.focus()
    expect(europe).to_be_focused()
    inside.keyboard.press("Enter")

    expect(inside).to_have_url(f"{base}/?currency=eur")
    expect(inside.get_by_text("No usage in 60 days")).to_be_visible()
    inside.locator("a[id$='-7d']").click()
    _title(inside).to_contain_text("€0.00 in 7 days")
    expect(inside).to_have_url(f"{base}/?currency=eur&range=7d")


def test_the_fleet_page_works_on_a_phone_without_javascript(
    browser: Browser, client_in: Client, org: Organization, base: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = _enter(context, client_in, base)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{base}/")

    expect(page.locator(".chart__picture")).to_be_visible()
    page.get_by_text("Show as table").click()
    expect(page.locator(".disclosure tbody tr")).to_have_count(30)
    page.locator("#costs-panel-custom").click()
    page.get_by_role("textbox", name="From").fill(ago(1).isoformat())
    page.get_by_role("button", name="Apply").click()
    _title(page).to_contain_text("$506.00 in 2 days")
    context.close()


def test_typing_into_the_search_of_the_list_filters_it(
    inside: Page, org: Organization, base: str, quiet: list[str]
) -> None:
    inside.goto(f"{base}/organizations/")
    inside.get_by_label("Search organizations").click()

    inside.keyboard.type("helios")

    expect(inside.get_by_role("link", name="Decoy")).to_have_count(0)
    expect(inside.get_by_role("link", name="Helios & Sons")).to_be_visible()
    expect(inside).to_have_url(f"{base}/organizations/?q=helios")
    expect(inside.get_by_label("Search organizations")).to_be_focused()


def test_rows_of_the_list_are_walked_with_the_keyboard(
    inside: Page, org: Organization, base: str, quiet: list[str]
) -> None:
    inside.goto(f"{base}/organizations/")
    links = inside.locator("[data-row-link]")
    expect(links.first).to_be_visible()
    inside.keyboard.press("j")
    expect(links.first).to_be_focused()
    inside.keyboard.press("k")
    expect(links.first).to_be_focused()
    url = links.first.get_attribute("href")
    inside.keyboard.press("Enter")
    inside.wait_for_url(f"**{url}")


@pytest.mark.parametrize("path", ["/", "/organizations/", "/stripe/", "/accounts/2fa/"])
def test_the_palette_opens_on_a_page_and_keeps_what_is_typed(
    inside: Page, org: Organization, base: str, quiet: list[str], path: str
) -> None:
    inside.goto(f"{base}{path}")
    field = inside.get_by_role("dialog").get_by_role("combobox")
    for keys in ("/", "Control+k", "Meta+k"):
        inside.keyboard.press(keys)
        expect(field).to_be_focused()
        inside.keyboard.type("helois")
        expect(field).to_have_value("helois")
        option = inside.get_by_role("option", name="Helios & Sons org-7").first
        expect(option).to_have_attribute("aria-selected", "true")
        inside.keyboard.press("Escape")
        expect(inside.locator("#palette")).to_be_hidden()
    expect(inside).to_have_url(f"{base}{path}")


def test_the_palette_is_used_with_the_keyboard_alone(
    inside: Page, org: Organization, base: str, quiet: list[str]
) -> None:
    inside.goto(f"{base}/organizations/")
    inside.get_by_role("link", name="Decoy").focus()
    inside.keyboard.press("Control+k")
    inside.keyboard.press("Escape")
    expect(inside.get_by_role("link", name="Decoy")).to_be_focused()

    inside.keyboard.press("/")
    inside.keyboard.type("raise limit helios")
    inside.keyboard.press("Enter")  # before the answer is there
    expect(inside).to_have_url(f"{base}/organizations/{org.pk}/alerts/#limits")
    expect(inside.locator("main")).to_be_focused()

    inside.keyboard.press("/")
    expect(inside.locator("[data-results=recent]")).to_contain_text("Helios")
    inside.keyboard.press("ArrowDown")
    chosen = inside.locator("#palette [aria-selected=true]")
    expect(chosen).to_have_attribute("href", "/")
    inside.keyboard.press("ArrowUp")
    inside.keyboard.press("Enter")
    expect(inside).to_have_url(f"{base}/organizations/{org.pk}/")


def test_the_first_tab_stop_skips_to_the_content(
    inside: Page, org: Organization, base: str
) -> None:
    inside.goto(f"{base}/organizations/{org.pk}/")
    inside.keyboard.press("Tab")
    expect(inside.get_by_role("link", name="Skip to content")).to_be_focused()
    inside.keyboard.press("Enter")
    expect(inside.locator("main")).to_be_focused()


def test_a_refused_form_focuses_its_invalid_field(
    inside: Page, org: Organization, base: str
) -> None:
    inside.goto(f"{base}/organizations/{org.pk}/periods/")
    inside.get_by_text("Close period manually").first.click()
    note = inside.get_by_label("Reason")
    note.evaluate("note => note.form.noValidate = true")
    inside.get_by_role("button", name="Close period").click()

    expect(inside.locator("main")).to_contain_text("This field is required.")
    expect(note).to_be_focused()


def test_a_url_with_an_anchor_scrolls_to_its_section_on_a_phone(
    inside: Page, org: Organization, base: str
) -> None:
    """Scrolling the current tab into view does not scroll the page."""
    inside.set_viewport_size({"width": 390, "height": 844})
    inside.goto(f"{base}/organizations/{org.pk}/alerts/#limits")
    expect(inside.locator("#limits-title")).to_be_in_viewport()
    inside.get_by_label("Soft limit").fill("1")
    inside.get_by_role("button", name="Preview alerts").click()
    expect(inside.locator(".alerts__simulated")).to_be_in_viewport()


def test_the_current_tab_is_in_view_on_a_phone(
    inside: Page, org: Organization, base: str
) -> None:
    inside.set_viewport_size({"width": 390, "height": 844})
    inside.goto(f"{base}/organizations/{org.pk}/history/")
    current = inside.locator(".tabs__link[aria-current]")
    expect(current).to_be_in_viewport(ratio=0.99)  # browsers scroll by whole pixels


def test_forced_colors_keep_the_current_tab_and_series_distinct(
    browser: Browser, client_in: Client, org: Organization, base: str
) -> None:
    with browser.new_context(forced_colors="active") as context:
        page = _enter(context, client_in, base)
        page.goto(f"{base}/organizations/{org.pk}/costs/")
        page.locator(".chart__plot").hover()
        page.locator(".js-plotly-plot").first.wait_for()
        edges = page.eval_on_selector_all(
            ".tabs__link",
            "tabs => tabs.map(tab => getComputedStyle(tab).borderBottomColor)",
        )
        assert edges.count(edges[2]) == 1
        fill = page.eval_on_selector(
            ".js-plotly-plot .point path", "bar => getComputedStyle(bar).fill"
        )
        assert fill == "rgb(45, 55, 198)"


def test_a_server_error_keeps_the_panel_and_shows_an_alert(
    inside: Page, org: Organization, base: str
) -> None:
    inside.goto(f"{base}/organizations/{org.pk}/")
    inside.route(
        "**/*range=7d*",
        lambda route: route.fulfill(status=500, headers={"X-Request-ID": "r-7"}),
    )

    inside.locator("a[id$='-7d']").click()

    expect(inside.get_by_role("alert")).to_contain_text("r-7")
    expect(inside.locator("#costs-panel")).not_to_have_attribute("aria-busy", "true")
    _title(inside).to_contain_text("$11.50 in 30 days")

    inside.unroute("**/*range=7d*")
    inside.get_by_role("button", name="Retry").click()

    _title(inside).to_contain_text("$6.00 in 7 days")
    expect(inside.get_by_role("alert")).to_have_count(0)


def test_a_missing_fragment_is_answered_with_a_fragment(client_in: Client) -> None:
    headers = {"HX-Request": "true", "HX-Target": "costs-panel"}
    answer = client_in.get("/organizations/999999/", headers=headers)

    assert answer.status_code == 404
    text = answer.content.decode()
    assert 'id="costs-panel"' in text
    assert answer["X-Request-ID"] in text
    assert "<html" not in text


def test_a_missing_boosted_page_is_answered_with_a_page(client_in: Client) -> None:
    headers = {"HX-Request": "true", "HX-Boosted": "true"}
    answer = client_in.get("/organizations/999999/", headers=headers)

    assert answer.status_code == 404
    assert "<html" in answer.content.decode()
