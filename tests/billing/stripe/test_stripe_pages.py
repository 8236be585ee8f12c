"""Pages of the Stripe sync: progress, discrepancies, webhook events, failed jobs."""

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape
from playwright.sync_api import BrowserContext, expect
from pytest_django import DjangoAssertNumQueries, Settings
from pytest_django.live_server_helper import LiveServer

from billing.models import (
    BillingPeriod,
    Charge,
    Discrepancy,
    StripeAction,
    StripeEvent,
    Subscription,
    SyncRun,
)
from billing.staff import NOT_CONNECTED, READ_ONLY
from billing.stripe import tasks
from billing.stripe.templatetags.syncs import warning_advice
from orgs.models import Job, Organization, WhiteLabel
from tests.factories import NOW, make_organization, make_user, make_white_label
from tests.support.browser import LAUNCH
from tests.support.celery_worker import running_worker
from tests.support.fake_stripe import FakeStripe, make_price
from tests.support.stripe_mirror import customer_of, run_sync, subscribe

HTMX = {"hx-request": "true"}
PAGES = (
    "/stripe/",
    "/stripe/discrepancies/",
    "/stripe/webhook-events/",
    "/stripe/failed-jobs/",
)
SECRET_TEXT = "4242424242424242"


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return LAUNCH


@pytest.fixture
def on(settings: Settings) -> None:
    """Set a Stripe key; no request reaches Stripe."""
    settings.STRIPE_SECRET_KEY = "sk_test_nobody"
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"


@pytest.fixture
def decoy(acme: WhiteLabel) -> WhiteLabel:
    return WhiteLabel.objects.get(slug="decoy")


@pytest.fixture
def bound(acme: WhiteLabel) -> Client:
    return require_billing_read("fin", "finance", acme)


def require_billing_read(
    username: str, role: str, white_label: WhiteLabel | None = None
) -> Client:
    client = Client()
    is_staff = white_label is None
    user = make_user(username, role, white_label=white_label, is_staff=is_staff)
    client.force_login(user)
    return client


def make_run(white_label: WhiteLabel, state: str, **more: Any) -> SyncRun:
    is_over = state in ("done", "failed")
    more = {"started_at": NOW, "finished_at": NOW if is_over else None} | more
    return SyncRun.objects.create(white_label=white_label, state=state, **more)


def make_discrepancy(
    white_label: WhiteLabel | None, stripe_id: str, **more: Any
) -> Discrepancy:
    defaults = {
        "kind": "tier",
        "orgdesk_value": "growth",
        "stripe_value": "scale",
        "stripe_read_at": NOW,
        "first_seen_at": NOW,
        "last_seen_at": NOW,
    }
    return Discrepancy.objects.create(
        white_label=white_label, stripe_id=stripe_id, **(defaults | more)
    )


def make_event(
    organization: Organization | None, event_id: str, state: str = "parked", **more: Any
) -> StripeEvent:
    is_over = state not in ("pending", "running")
    return StripeEvent.objects.create(
        event_id=event_id,
        type="invoice.paid",
        object_id=f"in_{event_id}",
        organization=organization,
        payload={"data": {"object": {"card": SECRET_TEXT}}},
        happened_at=NOW,
        state=state,
        finished_at=NOW if is_over else None,
        **more,
    )


def text_of(response: Any) -> str:
    assert response.status_code == 200
    text: str = response.content.decode()
    return text


# --- permissions --------------------------------------------------------------------

frozen = pytest.mark.usefixtures("frozen", "db")


@frozen
@pytest.mark.parametrize("url", PAGES)
def test_pages_require_a_role_that_reads_billing(url: str, acme: WhiteLabel) -> None:
    assert require_billing_read("vie", "viewer", acme).get(url).status_code == 200
    roleless = Client()
    roleless.force_login(make_user("nob", white_label=acme, is_staff=False))
    assert roleless.get(url).status_code == 403
    assert Client().get(url).status_code == 302


@frozen
@pytest.mark.usefixtures("on")
def test_read_only_users_see_buttons_disabled_with_the_reason(
    acme: WhiteLabel, org: Organization
) -> None:
    row, event = make_discrepancy(acme, "sub_a"), make_event(org, "evt_a")
    urls = [
        f"/stripe/sync/{acme.pk}/",
        f"/stripe/discrepancies/{row.pk}/resolve/",
        f"/stripe/discrepancies/resolve/{acme.pk}/",
        f"/stripe/webhook-events/{event.pk}/resend/",
        f"/stripe/webhook-events/{event.pk}/ignore/",
        "/stripe/failed-jobs/charge/1/retry/",
    ]
    reader = require_billing_read("sup", "support", acme)

    for url in PAGES[:3]:
        text = text_of(reader.get(url))
        assert READ_ONLY in text
        assert f'disabled title="{READ_ONLY}"' in text
    assert [reader.post(url).status_code for url in urls] == [403] * 6
    assert [reader.get(url).status_code for url in urls] == [405] * 6
    assert not SyncRun.objects.exists()
    event.refresh_from_db()
    assert event.state == "parked"


@frozen
@pytest.mark.usefixtures("on")
def test_rows_of_another_white_label_are_not_found(
    acme: WhiteLabel, decoy: WhiteLabel, org: Organization, bound: Client
) -> None:
    stranger = Organization.objects.get(white_label=decoy, external_id="org-7")
    foreign, unlinked = (
        make_discrepancy(decoy, "sub_d"),
        make_discrepancy(None, "cus_n"),
    )
    event, lost = make_event(stranger, "evt_d"), make_event(None, "evt_n")
    run = make_run(decoy, "done", requested_by="mallory")
    make_discrepancy(acme, "sub_a")
    make_event(org, "evt_a")

    seen = " ".join(text_of(bound.get(url)) for url in PAGES)
    assert "sub_a" in seen
    assert "evt_a" in seen
    for text in ("sub_d", "cus_n", "evt_d", "evt_n", "Decoy", "mallory"):
        assert text not in seen
    for url in (
        f"/stripe/sync/{decoy.pk}/",
        f"/stripe/discrepancies/{foreign.pk}/resolve/",
        f"/stripe/discrepancies/{unlinked.pk}/resolve/",
        f"/stripe/discrepancies/resolve/{decoy.pk}/",
        f"/stripe/webhook-events/{event.pk}/resend/",
        f"/stripe/webhook-events/{lost.pk}/ignore/",
    ):
        assert bound.post(url).status_code == 404
    for url in (
        f"/stripe/discrepancies/?run={run.pk}",
        "/stripe/discrepancies/?white_label=decoy",
        f"/stripe/discrepancies/{foreign.pk}/",
    ):
        assert bound.get(url).status_code == 404
    whole = require_billing_read("ope", "operator")
    seen = " ".join(text_of(whole.get(url)) for url in PAGES)
    for text in ("sub_d", "cus_n", "evt_d", "evt_n", "mallory"):
        assert text in seen


@frozen
def test_without_a_stripe_key_no_run_is_started(
    bound: Client, acme: WhiteLabel
) -> None:
    assert NOT_CONNECTED in text_of(bound.get("/stripe/"))
    answer = bound.post(f"/stripe/sync/{acme.pk}/")

    assert answer.status_code == 409
    assert not SyncRun.objects.exists()


@frozen
@pytest.mark.parametrize(
    ("url", "status"),
    [
        (
            "/stripe/?watching=x,,9999999999999999999999,-1,\N{SUPERSCRIPT TWO}",
            200,
        ),
        ("/stripe/discrepancies/?kind=nothing", 400),
        ("/stripe/discrepancies/?run=x", 404),
        ("/stripe/discrepancies/?white_label=none", 404),
        ("/stripe/webhook-events/?state=lost", 400),
        ("/stripe/webhook-events/?before=x", 400),
        ("/stripe/discrepancies/99999/", 404),
    ],
)
def test_invalid_parameters_are_refused(bound: Client, url: str, status: int) -> None:
    assert bound.get(url).status_code == status


# --- syncs --------------------------------------------------------------------------


@frozen
@pytest.mark.usefixtures("on")
def test_a_button_pressed_repeatedly_starts_one_run(
    bound: Client, acme: WhiteLabel
) -> None:
    url = f"/stripe/sync/{acme.pk}/"
    plain = [bound.post(url).status_code for _ in range(2)]
    fragment = bound.post(url, headers=HTMX)

    assert plain == [302, 302]
    run = SyncRun.objects.get()
    assert (run.requested_by, run.repairs) == ("fin", True)
    text = text_of(fragment)
    assert "<html" not in text
    assert f"/stripe/?watching={run.pk}" in text
    assert 'hx-trigger="every 1s"' in text


@frozen
@pytest.mark.usefixtures("on")
def test_progress_is_shown_in_numbers_and_its_end_in_one_toast(
    bound: Client, acme: WhiteLabel
) -> None:
    half = {
        "stage": "invoices",
        "done": 300,
        "total": 1200,
        "errors": 2,
        "discrepancy_count": 5,
    }
    started = NOW - timedelta(seconds=10)
    run = make_run(acme, "running", started_at=started, **half)
    page = text_of(bound.get("/stripe/"))

    for text in ("<b>300</b> of 1,200", "25%"):
        assert text in page
    (note,) = re.findall(r'<p class="meter__note">(.*?)</p>', page)
    rate, left, discrepancy_count, errors = note.split(" \N{MIDDLE DOT} ")
    assert "30 s" in left
    figures = [text.split()[0] for text in (rate, discrepancy_count, errors)]
    assert figures == ["30", "5", "2"]
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in page

    SyncRun.objects.filter(pk=run.pk).update(state="done", done=1210, finished_at=NOW)
    fragment = text_of(bound.get(f"/stripe/?watching={run.pk}", headers=HTMX))
    toast = fragment[fragment.index('class="toast') :]
    assert "Acme" in toast
    assert "1,210 read in 10 s" in toast
    assert "every 1s" not in fragment
    assert 'class="toast' not in text_of(bound.get("/stripe/", headers=HTMX))


@frozen
def test_the_number_of_queries_of_the_pages_does_not_depend_on_rows(
    bound: Client,
    acme: WhiteLabel,
    org: Organization,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(30):
        make_run(acme, "done", created_at=NOW + timedelta(minutes=number))
        make_discrepancy(acme, f"sub_{number}", organization=org)
        make_event(org, f"evt_{number}")

    for url in PAGES:
        with django_assert_max_num_queries(10):
            assert bound.get(url).status_code == 200


# --- discrepancies ------------------------------------------------------------------


@frozen
def test_discrepancies_show_both_values_and_warnings_are_separate(
    bound: Client, acme: WhiteLabel, org: Organization
) -> None:
    make_discrepancy(
        acme, "sub_a", organization=org, orgdesk_read_at=NOW - timedelta(days=1)
    )
    make_discrepancy(
        acme,
        "sub_w",
        kind="unknown_price",
        orgdesk_value="growth",
        stripe_value="price_x",
    )
    make_discrepancy(acme, "sub_h", resolved_at=NOW, resolved_by="ann")
    page = bound.get("/stripe/discrepancies/")
    text = text_of(page)

    assert [row.stripe_id for row in page.context["discrepancies"]] == ["sub_a"]
    assert [row.stripe_id for row in page.context["warnings"]] == ["sub_w"]
    assert "<del>growth</del>" in text
    assert "<ins>scale</ins>" in text
    assert "Nov 20, 12:00" in text
    assert escape(warning_advice("unknown_price")) in text
    resolved = bound.get("/stripe/discrepancies/?resolved=1")
    assert [row.stripe_id for row in resolved.context["discrepancies"]] == ["sub_h"]
    narrowed = bound.get("/stripe/discrepancies/?kind=seats", headers=HTMX)
    assert narrowed.context["discrepancies"] == []
    assert "<html" not in narrowed.content.decode()


@frozen
def test_unlinked_customers_are_hidden_from_users_of_one_white_label(
    bound: Client, acme: WhiteLabel
) -> None:
    run = make_run(acme, "done", discrepancy_count=2)
    make_discrepancy(acme, "sub_a", run=run)
    make_discrepancy(
        None, "cus_n", run=run, kind="no_organization", stripe_value="Walk-in"
    )
    url = f"/stripe/discrepancies/?run={run.pk}"

    assert "cus_n" in text_of(require_billing_read("ope", "operator").get(url))
    text = text_of(bound.get(url))
    assert "sub_a" in text
    assert "cus_n" not in text
    assert "Walk-in" not in text


@frozen
def test_a_page_without_discrepancies_shows_the_last_sync(
    bound: Client, acme: WhiteLabel
) -> None:
    assert "Nov 21, 2026, 12:00 UTC" not in text_of(bound.get("/stripe/discrepancies/"))
    make_run(acme, "done")

    assert "Nov 21, 2026, 12:00 UTC" in text_of(bound.get("/stripe/discrepancies/"))


@frozen
def test_a_worker_resolves_a_discrepancy_and_its_row_shows_it(
    fake_stripe: FakeStripe, bound: Client, acme: WhiteLabel, org: Organization
) -> None:
    price, dear = make_price(fake_stripe), make_price(fake_stripe, 9900, tier="scale")
    sub = subscribe(fake_stripe, customer_of(fake_stripe, org), price.id)
    run_sync(acme)
    item = fake_stripe.client().v1.subscriptions.retrieve(sub)["items"]["data"][0]
    fake_stripe.client().v1.subscriptions.update(
        sub, {"items": [{"id": item["id"], "price": dear.id}]}
    )
    run_sync(acme, repairs=False)
    row = Discrepancy.objects.get(kind="tier", stripe_id=sub)
    response = bound.post(f"/stripe/discrepancies/{row.pk}/resolve/", headers=HTMX)

    assert 'data-discrepancy="checking"' in text_of(response)
    assert f"/stripe/discrepancies/{row.pk}/?polls_left=12" in response.content.decode()
    tasks.resolve_discrepancy(row.pk, "fin")
    done = text_of(
        bound.get(f"/stripe/discrepancies/{row.pk}/?polls_left=12", headers=HTMX)
    )
    assert 'data-discrepancy="resolved"' in done
    assert "by fin" in done
    assert "hx-trigger" not in done
    assert Subscription.objects.get().tier == "scale"


@frozen
def test_a_row_stops_polling_after_a_while(bound: Client, acme: WhiteLabel) -> None:
    row = make_discrepancy(acme, "sub_a")
    text = text_of(
        bound.get(f"/stripe/discrepancies/{row.pk}/?polls_left=1", headers=HTMX)
    )

    assert 'data-discrepancy="unresolved"' in text
    assert "hx-trigger" not in text


@frozen
@pytest.mark.usefixtures("on")
def test_a_warning_cannot_be_resolved_and_resolve_all_starts_a_run(
    bound: Client, acme: WhiteLabel
) -> None:
    warning = make_discrepancy(acme, "sub_w", kind="two_live")

    assert bound.post(f"/stripe/discrepancies/{warning.pk}/resolve/").status_code == 409
    assert bound.post(f"/stripe/discrepancies/resolve/{acme.pk}/").status_code == 302
    run = SyncRun.objects.get()
    assert (run.requested_by, run.repairs) == ("fin", True)


# --- webhook events -----------------------------------------------------------------


@frozen
@pytest.mark.usefixtures("on")
def test_an_event_is_resent_or_ignored_once(bound: Client, org: Organization) -> None:
    failed = make_event(org, "evt_f", "failed", error="Traceback\nKeyError: 'x'")
    parked = make_event(org, "evt_p", reason="an object nobody knows")
    make_event(org, "evt_d", "done")
    text = text_of(bound.get("/stripe/webhook-events/"))

    assert "KeyError: &#x27;x&#x27;" in text
    assert "Traceback" not in text
    assert "an object nobody knows" in text
    assert SECRET_TEXT not in text
    assert "evt_d" not in text
    resent = [
        bound.post(f"/stripe/webhook-events/{failed.pk}/resend/").status_code
        for _ in range(2)
    ]
    ignored = [
        bound.post(f"/stripe/webhook-events/{parked.pk}/ignore/").status_code
        for _ in range(2)
    ]
    assert (resent, ignored) == ([302, 409], [302, 409])
    states = StripeEvent.objects.order_by("event_id").values_list("state", flat=True)
    assert list(states) == ["done", "pending", "ignored"]
    assert "evt_f" in text_of(bound.get("/stripe/webhook-events/?state=queued"))
    assert "evt_p" in text_of(bound.get("/stripe/webhook-events/?state=ignored"))
    assert bound.get("/stripe/webhook-events/").context["rows"] == []


@frozen
def test_webhook_events_are_paginated(bound: Client, org: Organization) -> None:
    for number in range(70):
        make_event(org, f"evt_{number:02}", "done")
    first = bound.get("/stripe/webhook-events/?state=done")
    second = bound.get(first.context["next_url"])

    seen = [row.event_id for page in (first, second) for row in page.context["rows"]]
    assert seen == [f"evt_{number:02}" for number in reversed(range(70))]
    assert second.context["next_url"] == ""


# --- failed jobs --------------------------------------------------------------------


@frozen
@pytest.mark.usefixtures("on")
def test_a_failed_job_shows_its_error_and_can_be_retried(
    bound: Client, acme: WhiteLabel, decoy: WhiteLabel, org: Organization
) -> None:
    ended: dict[str, Any] = {"state": "failed", "finished_at": NOW}
    period = BillingPeriod.objects.get(organization=org)
    charge = Charge.objects.create(
        period=period, product="gpt", cost=7, amount=7, currency="usd",
        invoice_stripe_id="in_1", error_code="invoice_no_customer",
        error="No such customer.", **ended,
    )  # fmt: skip
    job = Job.objects.create(
        organization=org, kind="usage_report", attempts=5, created_at=NOW,
        error="Failed 5 times; the log says why.", **ended,
    )  # fmt: skip
    Job.objects.create(
        organization=org, kind="delete_organization", attempts=1, created_at=NOW,
        error="Restored.", state="canceled", finished_at=NOW,
    )  # fmt: skip
    StripeAction.objects.create(
        organization=Organization.objects.get(white_label=decoy, external_id="org-7"),
        kind="pause", note="n", requested_by="mallory", error="refused", **ended,
    )  # fmt: skip
    text = text_of(bound.get("/stripe/failed-jobs/"))

    assert re.search(r"gpt\b[^<]*\b1\b", text)
    assert "No such customer." in text
    assert "the log says why" in text
    assert "Restored." not in text
    assert "refused" not in text
    for kind, id_ in (("charge", charge.pk), ("job", job.pk)):
        url = f"/stripe/failed-jobs/{kind}/{id_}/retry/"
        assert [bound.post(url).status_code for _ in range(2)] == [302, 404]
    charge.refresh_from_db()
    job.refresh_from_db()
    assert (charge.state, job.state, job.attempts) == ("pending", "pending", 0)
    assert bound.get("/stripe/failed-jobs/").context["rows"] == []
    assert bound.post("/stripe/failed-jobs/nothing/1/retry/").status_code == 404


@frozen
def test_the_fleet_page_shows_the_state_of_the_stripe_sync(
    bound: Client, acme: WhiteLabel, decoy: WhiteLabel, org: Organization
) -> None:
    Subscription.objects.create(
        organization=org, stripe_id="sub_1", status="unpaid", tier="growth",
        stripe_price_id="price_1",
    )  # fmt: skip
    make_run(decoy, "failed")
    assert bound.get("/").context["health"].never_synced == 1
    make_run(acme, "done", finished_at=NOW - timedelta(hours=3))
    make_discrepancy(acme, "sub_a")
    make_discrepancy(decoy, "sub_d")
    make_event(org, "evt_a")
    page = bound.get("/")
    health, text = page.context["health"], text_of(page)

    assert (
        health.never_synced,
        health.open_discrepancies,
        health.events_needing_action,
    ) == (0, 1, 1)
    tile = text[text.index('class="tile__link" href="/stripe/"') :]
    assert re.search(r'class="tile__value">3 h', tile)
    assert re.search(r'class="tile__note"><b><data [^>]+>1 [\w ]+</data>,</b> 1 ', tile)


# --- progress in a browser ----------------------------------------------------------


@pytest.fixture
def fleet(fake_stripe: FakeStripe, committed: None) -> Iterator[WhiteLabel]:
    """Create thirty subscriptions, one with an unmirrored tier; make Stripe slow."""
    now = int(time.time())
    fake_stripe.control("clock", now=now)
    acme = make_white_label("acme")
    price, dear = make_price(fake_stripe), make_price(fake_stripe, 9900, tier="scale")
    organizations = [make_organization(acme, f"org-{n}") for n in range(30)]
    subs = [
        subscribe(fake_stripe, customer_of(fake_stripe, one), price.id)
        for one in organizations
    ]
    run_sync(acme)
    item = fake_stripe.client().v1.subscriptions.retrieve(subs[7])["items"]["data"][0]
    fake_stripe.client().v1.subscriptions.update(
        subs[7], {"items": [{"id": item["id"], "price": dear.id}]}
    )
    fake_stripe.control("script", latency=0.4)
    yield acme
    fake_stripe.control("script", latency=0)


@pytest.fixture
def worker(fleet: WhiteLabel) -> Iterator[None]:
    with running_worker():
        yield


@pytest.mark.browser
@pytest.mark.usefixtures("worker")
def test_a_button_syncs_the_fleet_and_shows_its_progress(
    context: BrowserContext, live_server: LiveServer, fleet: WhiteLabel
) -> None:
    client = Client()
    client.force_login(make_user("ada", is_superuser=True))
    session = client.cookies["session"].value
    base = str(live_server.url)
    context.add_cookies([{"name": "session", "value": session, "url": base}])
    page, messages = context.new_page(), list[str]()
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))

    page.goto(f"{base}/stripe/")
    page.evaluate("window.sameDocument = true")
    page.get_by_role("button", name="Sync now Acme").click()
    bar = page.get_by_role("progressbar", name="Sync of Acme")
    expect(bar).to_be_visible()
    expect(page.locator(".sync-card .meter__note")).not_to_be_empty()
    expect(page.locator(".toast")).to_contain_text("Acme", timeout=30_000)

    expect(bar).to_have_count(0)
    assert page.evaluate("window.sameDocument")
    assert page.evaluate("document.activeElement.id") == f"sync-{fleet.pk}"
    assert Subscription.objects.filter(tier="scale").count() == 1
    assert messages == []
    page.locator("main a[href='/stripe/discrepancies/']").first.click()
    page.locator("#discrepancies a[href='/stripe/discrepancies/?resolved=1']").click()
    expect(page.locator("#discrepancies")).to_contain_text("by ada")
    names = page.evaluate(
        "[...document.querySelectorAll('button, a, select')]"
        ".filter((one) => !(one.textContent.trim() || one.ariaLabel || one.labels))"
        ".length"
    )
    assert names == 0
