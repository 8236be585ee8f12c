"""The billing tab: its content, its buttons, and the progress of an action."""

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from billing.models import (
    BillingAccount,
    BillingPeriod,
    Charge,
    Discrepancy,
    Invoice,
    StripeAction,
    Subscription,
    SyncRun,
)
from billing.staff import READ_ONLY
from orgs.models import Organization, User, WhiteLabel
from tests.factories import NOW, delete, make_user
from tests.support.actions import StaffContext, make_growth, work
from tests.support.fake_stripe import FakeStripe

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def finance(acme: WhiteLabel) -> User:
    return make_user("fin", "finance", white_label=acme)


@pytest.fixture
def staff(
    fake_stripe: FakeStripe,
    org: Organization,
    finance: User,
    frozen: time_machine.Traveller,
) -> Iterator[StaffContext]:
    yield StaffContext(fake_stripe, finance, org, frozen)
    fake_stripe.control("script", api=[])


@pytest.fixture
def growth(staff: StaffContext) -> Subscription:
    return make_growth(staff.fake, staff.organization)


def html(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def words(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html(answer)).split())


def why_disabled(answer: Any, kind: str) -> str:
    """Return the reason on the disabled button of this action."""
    tag = rf'<button[^>]*data-action="{kind}" disabled title="([^"]+)"'
    match = re.search(tag, html(answer))
    assert match, kind
    return unescape(match.group(1))


# --- buttons ------------------------------------------------------------------------


def test_without_a_customer_one_can_be_created_or_linked(staff: StaffContext) -> None:
    page = html(staff.client.get(staff.tab))

    assert staff.url("create-customer") in page
    assert staff.url("link-customer") in page
    assert staff.url("start") not in page


def test_possible_actions_are_links_and_others_show_the_reason(
    staff: StaffContext, growth: Subscription
) -> None:
    page = staff.client.get(staff.tab)

    for kind in ("change-tier", "pause", "cancel"):
        assert f'href="{staff.url(kind, growth)}"' in html(page)
    for kind in ("resume", "seats", "trial-end"):
        assert staff.url(kind, growth) not in html(page)
    for kind in ("payment_link", "start"):
        reason = why_disabled(page, kind)
        assert re.search(
            rf'class="action__reason">[^<]*{re.escape(reason)}', html(page)
        )
    assert "$29.00 , monthly" in words(page)


@pytest.mark.parametrize("role", ["viewer", "support"])
def test_read_only_users_see_disabled_buttons_and_the_reason(
    staff: StaffContext, growth: Subscription, acme: WhiteLabel, role: str
) -> None:
    reader = staff.as_(make_user("reader", role, white_label=acme))

    page = reader.client.get(staff.tab)

    assert page.status_code == 200
    assert READ_ONLY in words(page)
    assert staff.url("pause", growth) not in html(page)
    assert why_disabled(page, "pause") == READ_ONLY


def test_a_deleted_organization_allows_only_a_cancellation(
    staff: StaffContext, growth: Subscription
) -> None:
    delete(staff.organization)

    page = staff.client.get(staff.tab)

    for kind in ("change_tier", "pause"):
        assert "deleted" in why_disabled(page, kind)
    assert staff.url("cancel", growth) in html(page)
    assert staff.post("pause", growth, reason="x").status_code == 409


def test_only_one_action_runs_at_a_time(
    staff: StaffContext, growth: Subscription
) -> None:
    response = staff.post("pause", growth, reason="moves house")

    page = staff.client.get(staff.tab)
    form = staff.client.get(staff.url("cancel", growth))

    assert staff.url("cancel", growth) not in html(page)
    assert why_disabled(page, "cancel") in words(page)
    running = re.search(r'data-running="pause".*?</p>', html(page))
    assert running
    assert "fin" in running.group()
    assert f'href="{response["Location"]}"' in html(page)
    assert form.status_code == 409
    work(response)
    assert staff.url("resume", growth) in html(staff.client.get(staff.tab))


# --- progress -----------------------------------------------------------------------


def test_an_action_is_polled_until_it_has_ended(
    staff: StaffContext, growth: Subscription
) -> None:
    response = staff.client.post(
        staff.url("pause", growth),
        {"note": "why", "reason": "moves house", "idempotency_key": "1"},
        headers=HTMX,
    )
    url = response["Location"]

    waits = staff.client.get(url, headers=HTMX)
    assert f'hx-get="{url}?live=1"' in html(waits)
    assert "HX-Trigger" not in waits
    assert "<html" not in html(waits)
    work(response)
    ended = staff.client.get(f"{url}?live=1", headers=HTMX)

    assert "hx-trigger" not in html(ended)
    assert ended["HX-Trigger"] == "action-ended"
    assert f"Subscription {growth.stripe_id}" in words(ended)
    assert "Status paused" in words(ended)
    whole = staff.client.get(url)
    assert "<html" in html(whole)
    assert "HX-Trigger" not in whole
    part = html(staff.client.get(staff.tab, headers=HTMX))
    assert part.startswith('<div class="stack" id="billing-panel"')
    assert 'id="billing-header" hx-swap-oob="true"' in part


def test_a_form_is_a_page_and_a_fragment(
    staff: StaffContext, growth: Subscription
) -> None:
    url = staff.url("pause", growth)

    page, part = staff.client.get(url), staff.client.get(url, headers=HTMX)

    assert "<html" in html(page)
    assert html(part).startswith('<section class="card card--ruled action"')
    for answer in (page, part):
        assert f'<form class="form" method="post" action="{url}"' in html(answer)
        assert 'name="csrfmiddlewaretoken"' in html(answer)
        assert answer["Cache-Control"] == "private, no-store"


def test_a_search_that_stripe_does_not_answer_shows_an_error(
    staff: StaffContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.gateway.calls.DEADLINE_SECONDS", 0)
    monkeypatch.setattr("billing.gateway.calls.PAGE_DEADLINE_SECONDS", 0)
    staff.fake.fault("error", "/v1/customers", times=0)

    page = staff.client.get(staff.url("link-customer"), {"email": "a@example.com"})

    assert page.status_code == 200
    assert page.context["stripe_error"]
    assert page.context["stripe_error"] in words(page)


# --- invoices, discrepancies, stale figures, timeline -------------------------------


def test_an_invoice_shows_its_period_and_lines(
    org: Organization, finance: User
) -> None:
    period = BillingPeriod.objects.get(organization=org)
    period.ends_at = period.closed_at = NOW
    period.cost = Decimal("12.345")
    period.save()
    Invoice.objects.create(
        organization=org,
        period=period,
        stripe_id="in_1",
        number="ORG-0007",
        status="open",
        currency="usd",
        total=Decimal("41.35"),
        amount_due=Decimal("41.35"),
        amount_remaining=Decimal("41.35"),
        collection_method="send_invoice",
        issued_at=NOW - timedelta(days=11),
        due_at=NOW - timedelta(days=1),
        hosted_url="https://stripe.example/i/1",
    )
    line = {"currency": "usd", "period": period, "invoice_stripe_id": "in_1"}
    Charge.objects.create(
        product="gpt", cost=Decimal(11), amount=Decimal("11.00"), state="done",
        stripe_id="ii_1", finished_at=NOW, **line,
    )  # fmt: skip
    Charge.objects.create(
        product="claude", cost=Decimal("1.345"), amount=Decimal("1.35"), state="failed",
        error="The customer is gone.", finished_at=NOW, **line,
    )  # fmt: skip
    client = Client()
    client.force_login(finance)

    page = client.get(f"/organizations/{org.pk}/billing/")

    assert 'href="https://stripe.example/i/1"' in html(page)
    assert re.search(r"ORG-0007 \w+ \$41.35 \$0.00 \$41.35 \$12.35", words(page))
    assert "gpt $11.00" in words(page)
    assert re.search(r"claude \$1.35 \w+ The customer is gone\.", words(page))
    texts = [entry.text for entry in page.context["timeline"]]
    assert "Invoice ORG-0007 of Nov 10, 2026: $41.35, open" in texts
    assert words(page).count("$41.35") >= 2  # in the invoices and in the activity


def test_a_discrepancy_is_shown_with_both_values_and_a_button(
    staff: StaffContext, growth: Subscription
) -> None:
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    for organization, value in ((staff.organization, "startup"), (decoy, "secret")):
        Discrepancy.objects.create(
            white_label=organization.white_label,
            organization=organization,
            kind="tier",
            stripe_id=growth.stripe_id
            if organization == staff.organization
            else "sub_x",
            orgdesk_value=value,
            stripe_value="growth",
            stripe_read_at=NOW,
            first_seen_at=NOW,
            last_seen_at=NOW,
        )

    page = staff.client.get(staff.tab)

    assert "<del>startup</del>" in html(page)
    assert "<ins>growth</ins>" in html(page)
    assert "secret" not in html(page)
    discrepancy = Discrepancy.objects.get(orgdesk_value="startup")
    assert f'action="/stripe/discrepancies/{discrepancy.pk}/resolve/"' in html(page)


@pytest.mark.parametrize(
    ("hours", "state", "is_stale"),
    [
        (None, "", True),
        (24, "done", False),
        (26, "done", True),
        (2, "failed", True),
    ],
)
def test_stale_figures_are_marked(
    staff: StaffContext, acme: WhiteLabel, hours: int | None, state: str, is_stale: bool
) -> None:
    SyncRun.objects.create(
        white_label=WhiteLabel.objects.get(slug="decoy"), state="done", finished_at=NOW
    )
    if hours:
        ended = timezone.now() - timedelta(hours=hours)
        SyncRun.objects.create(white_label=acme, state=state, finished_at=ended)

    page = staff.client.get(staff.tab)

    assert (
        ("data-stale" in html(page)) == is_stale == bool(page.context["sync_warning"])
    )
    assert page.context["sync_warning"] in words(page)
    assert ("Nov 20, 2026, 10:00 UTC" in page.context["sync_warning"]) == (hours == 26)


def test_the_timeline_shows_user_and_reason(
    staff: StaffContext, growth: Subscription
) -> None:
    staff.ask("pause", growth, reason="moves house")

    answer = staff.client.get(staff.tab)
    page = words(answer)

    assert re.search(r"moves house\): done fin: asked by phone, ticket 7", page)
    texts = [entry.text for entry in answer.context["timeline"]]
    of = f"Platform subscription {growth.stripe_id}"
    [paused] = [text for text in texts if text.startswith(f"{of} paused")]
    assert "status changed from active to paused" in paused
    assert any(text.endswith("$29.00, paid") for text in texts)
    assert not [text for text in texts if "_at" in text or "None" in text]


def test_a_note_is_escaped(staff: StaffContext, growth: Subscription) -> None:
    staff.ask("pause", growth, reason="<b>x</b>", note="<script>alert(1)</script>")

    page = html(staff.client.get(staff.tab))

    assert "<script>alert" not in page
    assert "<b>x</b>" not in page


def test_the_number_of_queries_of_the_tab_does_not_depend_on_rows(
    staff: StaffContext,
    growth: Subscription,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    staff.client.get(staff.tab)  # the session keeps the visit
    for number in range(30):
        StripeAction.objects.create(
            organization=staff.organization,
            kind="pause",
            state="failed",
            finished_at=NOW,
            note=str(number),
            requested_by="ann",
            parameters={
                "subscription": growth.stripe_id,
                "idempotency_key": str(number),
            },
        )
        Invoice.objects.create(
            organization=staff.organization,
            stripe_id=f"in_{number}",
            status="open",
            currency="usd",
            total=number,
            amount_due=number,
            issued_at=NOW,
        )

    with django_assert_max_num_queries(40):
        page = staff.client.get(staff.tab)

    assert len(page.context["timeline"]) == 40


def test_the_tab_is_not_found_in_another_white_label(staff: StaffContext) -> None:
    BillingAccount.objects.create(organization=staff.organization, stripe_id="cus_7")
    decoy = WhiteLabel.objects.get(slug="decoy")
    stranger = staff.as_(make_user("stranger", "operator", white_label=decoy))

    answer = stranger.client.get(staff.tab)

    assert answer.status_code == 404
    assert "cus_7" not in html(answer)
