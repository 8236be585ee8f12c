"""Stripe actions in Chromium: with mouse and keyboard, and without JavaScript.

The browser uses the real clock, and so does the fake Stripe.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from billing.models import StripeAction, Subscription
from billing.stripe.commands.mirror.refetches import refetch_all_of, refetch_price
from config.celery import app
from orgs.models import Organization
from tests.factories import make_organization, make_user, make_white_label
from tests.support.browser import LAUNCH
from tests.support.fake_stripe import FakeStripe, make_price
from tests.support.stripe_mirror import customer_of
from tests.support.stripe_mirror import subscribe as subscribe_in_stripe

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return LAUNCH


@pytest.fixture(autouse=True)
def worker() -> Iterator[None]:
    """Run enqueued tasks at once, in the process of the pages."""
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


@pytest.fixture
def growth(committed: None, fake_stripe: FakeStripe) -> Iterator[Subscription]:
    """Create a subscription to Growth at $29; Scale costs $99."""
    fake_stripe.control("reset", now=int(time.time()))
    organization = make_organization(make_white_label("acme"), "org-7")
    scale, price = make_price(fake_stripe, 9900, tier="scale"), make_price(fake_stripe)
    refetch_price(scale.id)
    refetch_price(price.id)
    customer = customer_of(fake_stripe, organization)
    refetch_all_of(customer)
    subscribe_in_stripe(fake_stripe, customer, price.id)
    refetch_all_of(customer)
    yield Subscription.objects.get()
    fake_stripe.control("script", api=[])


def require_billing_read(context: BrowserContext, live_server: LiveServer) -> Page:
    """Open the billing tab as a user of the finance role."""
    client = Client()
    label = Organization.objects.get(external_id="org-7").white_label
    client.force_login(make_user("fin", "finance", white_label=label))
    session, base = client.cookies["session"].value, str(live_server.url)
    context.add_cookies([{"name": "session", "value": session, "url": base}])
    page = context.new_page()
    organization = Organization.objects.get(external_id="org-7")
    page.goto(f"{base}/organizations/{organization.pk}/billing/")
    return page


@pytest.fixture
def page_in(
    context: BrowserContext, growth: Subscription, live_server: LiveServer
) -> Iterator[Page]:
    """Open the billing tab, and check at the end that the console has no errors."""
    page, messages = require_billing_read(context, live_server), list[str]()
    page.on(
        "console",
        lambda one: (
            messages.append(one.text) if one.type in {"error", "warning"} else None
        ),
    )
    page.on("pageerror", lambda error: messages.append(str(error)))
    yield page
    assert messages == []


def test_a_tier_is_previewed_changed_and_watched(
    page_in: Page, growth: Subscription
) -> None:
    panel, tab = page_in.locator("#action-panel"), page_in.url

    page_in.locator("a[data-action=change_tier]").click()
    expect(page_in.locator("#action-title")).to_be_focused()
    panel.locator(".action__choice [type=submit]").click()
    expect(panel.locator("[data-prorated]")).to_contain_text("$70.00")
    panel.locator("[name=note]").fill("outgrew it")
    panel.locator("form.form [type=submit]").click()

    expect(page_in.locator("#action-panel[data-state=done]")).to_be_visible()
    action = StripeAction.objects.get()
    assert page_in.url == f"{tab}actions/{action.pk}/"
    cards = page_in.locator("#billing-panel")
    expect(cards.get_by_role("heading", name="Scale")).to_be_visible()
    expect(page_in.locator("#billing-header")).to_contain_text("Scale")
    page_in.reload()
    expect(page_in.locator("#action-panel[data-state=done]")).to_be_visible()


def test_a_tier_is_changed_on_a_phone_without_javascript(
    browser: Browser, growth: Subscription, live_server: LiveServer
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)  # type: ignore[arg-type]
    page = require_billing_read(context, live_server)

    page.locator("a[data-action=change_tier]").click()
    page.locator(".action__choice [type=submit]").click()
    page.locator("[name=note]").fill("outgrew it")
    page.locator("#action-panel form.form [type=submit]").click()
    page.locator("#action-panel[data-state=done]").wait_for()
    page.get_by_role("link", name="Close").click()

    page.get_by_role("heading", name="Scale").wait_for()
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide == PHONE["width"]
    context.close()


def test_every_field_and_button_has_a_name(page_in: Page) -> None:
    page_in.locator("a[data-action=cancel]").click()
    page_in.locator("select[name=when]").wait_for()

    nameless = page_in.evaluate(
        """() => [...document.querySelectorAll(
            'main :is(input:not([type=hidden]), select, textarea, button, a)')]
          .filter((one) => !(one.labels?.length || one.textContent.trim()
            || one.getAttribute('aria-label')))
          .map((one) => one.outerHTML)"""
    )
    ids = page_in.evaluate(
        "[...document.querySelectorAll('[id]')].map((one) => one.id)"
    )

    assert nameless == []
    assert len(ids) == len(set(ids))
