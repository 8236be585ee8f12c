"""The estimated invoice adds up, and is the same on pages, in lists and by API."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.console.queries.organization_list import iterate_rows
from billing.forecast.commands.bands import fill_missing_bands
from billing.forecast.queries.estimated_invoices import get_estimate, list_estimates
from billing.forecast.queries.estimates import EstimatedInvoice, Total
from billing.forecast.queries.forecasts import forecast_all
from billing.ledger.commands.credits import grant_credit
from billing.ledger.commands.periods import close_period
from billing.models import BillingAccount, Charge, Price, Subscription
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    event,
    make_key,
    make_organization,
    make_rate,
    make_user,
    record,
)
from tests.support.alerts import give, limit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


def make_price(id_: str, amount: str | None, **changes: Any) -> None:
    fields = {
        "kind": "platform",
        "tier": "scale",
        "cycle_interval": "month",
        "cycle_count": 1,
        "currency": "usd",
        "name": "Scale",
        "stripe_product_id": f"prod_{id_}",
    }
    unit_amount = None if amount is None else Decimal(amount)
    Price.objects.create(stripe_id=id_, unit_amount=unit_amount, **fields | changes)


def subscribe(org: Organization, **changes: Any) -> Subscription:
    fields = {
        "stripe_id": f"sub_{org.pk}",
        "status": "active",
        "tier": "scale",
        "stripe_price_id": "price_1",
        "period_starts_at": datetime(2026, 11, 1, tzinfo=UTC),
        "period_ends_at": DECEMBER,
    }
    row: Subscription = Subscription.objects.create(
        organization=org, **fields | changes
    )
    return row


@pytest.fixture
def going(acme: WhiteLabel) -> Organization:
    """Create an organization that costs 10 a day, 25 today: 95 so far, 90 to come."""
    organization = make_organization(acme, "going", contract_started_on="2026-11-14")
    make_rate(acme, "1")
    events = [
        event(
            f"e-{days}",
            organization="going",
            timestamp=(NOW - timedelta(days=days)).isoformat(),
            quantities={"requests": 10 if days else 25},
        )
        for days in range(8)
    ]
    record(acme, events)
    make_price("price_1", "1999")
    make_price("price_2", "20", kind="spaces", tier="team", name="Team")
    return organization


def lines_of(estimate: EstimatedInvoice) -> dict[str, str]:
    return {line.code: str(line.amount) for line in estimate.lines}


def totals_of(estimate: EstimatedInvoice) -> dict[str, str]:
    return {total.currency: str(total.amount) for total in estimate.totals}


def test_usage_plan_and_seats_add_up(going: Organization) -> None:
    subscribe(going)
    subscribe(going, kind="spaces", tier="team", stripe_price_id="price_2", seats=33)

    estimate = get_estimate(going)

    assert lines_of(estimate) == {
        "usage": "95.00",
        "expected_usage": "90.00",
        "plan": "1999.00",
        "seats": "660.00",
    }
    assert (estimate.state, str(estimate.on)) == ("scheduled", "2026-12-01")
    assert totals_of(estimate) == {"usd": "2844.00"}
    assert estimate.later == ()


def test_credit_pays_for_usage_but_not_for_the_plan(going: Organization) -> None:
    subscribe(going)
    grant_credit(going.pk, kind="credit", amount=Decimal(200), note="Sorry", by="ann")

    estimate = get_estimate(going)

    assert lines_of(estimate)["credit"] == "-185.00"
    assert totals_of(estimate) == {"usd": "1999.00"}


def test_free_balance_pays_in_the_trial_which_costs_nothing(
    going: Organization,
) -> None:
    """Usage until noon of the 26th: 95, 4 days of 10, and half a day."""
    ends_at = NOW + timedelta(days=5)
    subscribe(
        going,
        status="trialing",
        trial_ends_at=ends_at,
        period_ends_at=ends_at,
    )
    give(going, "120")

    estimate = get_estimate(going)

    assert lines_of(estimate) == {
        "usage": "95.00",
        "expected_usage": "45.00",
        "free_balance": "-120.00",
        "trial": "0",
        "plan": "1999.00",  # of the month that begins when the trial ends
    }
    assert (estimate.state, str(estimate.on)) == ("trial", "2026-11-26")


def test_a_canceled_subscription_ends_with_its_usage(going: Organization) -> None:
    subscribe(going, cancels_at=DECEMBER)
    subscribe(
        going,
        stripe_id="sub_seats",
        kind="spaces",
        tier="team",
        stripe_price_id="price_2",
        seats=3,
        period_ends_at=DECEMBER + timedelta(days=5),
    )

    estimate = get_estimate(going)

    assert lines_of(estimate) == {"usage": "95.00", "expected_usage": "90.00"}
    assert estimate.state == "final"
    [seats] = estimate.later
    assert (str(seats.on), str(seats.line.amount)) == ("2026-12-06", "60.00")


def test_usage_with_a_yearly_plan_is_billed_by_the_month(
    going: Organization, acme: WhiteLabel
) -> None:
    make_price("price_year", "19990", cycle_interval="year")
    subscribe(
        going,
        stripe_price_id="price_year",
        cycle_interval="year",
        period_starts_at=datetime(2026, 3, 10, tzinfo=UTC),
        period_ends_at=datetime(2027, 3, 10, tzinfo=UTC),
    )

    estimate = get_estimate(going)

    assert str(estimate.on) == "2026-12-10"
    assert set(lines_of(estimate)) == {"usage", "expected_usage"}
    [renewal] = estimate.later
    assert (str(renewal.on), str(renewal.line.amount)) == ("2027-03-10", "19990.00")


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        (None, "no_subscription"),
        ({"status": "canceled"}, "no_subscription"),
        ({"status": "incomplete"}, "no_subscription"),
        ({"status": "paused"}, "paused"),
        ({"period_ends_at": None}, "no_date"),
    ],
)
def test_without_an_invoice_there_is_no_total(
    going: Organization, changes: dict[str, Any] | None, state: str
) -> None:
    if changes is not None:
        subscribe(going, **changes)

    estimate = get_estimate(going)

    assert (estimate.state, estimate.on, estimate.totals) == (state, None, ())
    assert lines_of(estimate) == {"usage": "95.00"}
    assert estimate.message


def test_a_period_that_ended_waits_for_stripe(going: Organization) -> None:
    subscribe(going, period_ends_at=NOW - timedelta(minutes=5))

    estimate = get_estimate(going)

    assert (estimate.state, str(estimate.on)) == ("due", "2026-11-21")
    assert totals_of(estimate) == {"usd": "2094.00"}


def test_currencies_are_never_added_up(going: Organization) -> None:
    Price.objects.filter(stripe_id="price_1").update(currency="eur")
    subscribe(going)

    assert totals_of(get_estimate(going)) == {"usd": "185.00", "eur": "1999.00"}


def test_an_unknown_price_leaves_the_total_incomplete(going: Organization) -> None:
    Price.objects.filter(stripe_id="price_1").update(unit_amount=None)
    subscribe(going)

    estimate = get_estimate(going)

    assert not estimate.is_complete
    assert lines_of(estimate)["plan"] == "None"
    assert totals_of(estimate) == {"usd": "185.00"}


def test_usage_is_not_charged_to_an_organization_that_is_not_billable(
    going: Organization,
) -> None:
    Organization.objects.filter(pk=going.pk).update(is_billable=False)
    going.refresh_from_db()
    subscribe(going)

    assert totals_of(get_estimate(going)) == {"usd": "1999.00"}


def test_charges_that_wait_for_a_draft_are_on_the_next_one(
    going: Organization,
) -> None:
    subscribe(going)
    period = close_period(going.pk, ends_at=NOW - timedelta(days=3))
    Charge.objects.create(
        period=period, product="gpt", cost=40, amount=40, currency="usd"
    )

    lines = lines_of(get_estimate(going))

    assert lines["earlier_usage"] == "40.000"


# --- one definition -------------------------------------------------------------------


@pytest.fixture
def staff(client: Client, acme: WhiteLabel) -> Client:
    client.force_login(make_user("ann", "viewer", white_label=acme, is_staff=False))
    return client


@pytest.fixture
def owing(going: Organization) -> Organization:
    subscribe(going)
    subscribe(going, kind="spaces", tier="team", stripe_price_id="price_2", seats=33)
    limit(going, "soft", "150")
    return going


def test_pages_list_csv_and_api_show_the_same(
    staff: Client, owing: Organization, acme: WhiteLabel
) -> None:
    key = make_key(acme, "billing:read")
    answer = Client(headers={"x-api-key": key}).get(
        f"/api/v1/organizations/{owing.pk}/forecast"
    )
    body = answer.json()
    pages = {
        tab: staff.get(reverse(f"billing:{tab}", args=[owing.pk])).content.decode()
        for tab in ("overview", "billing")
    }
    listing = staff.get("/organizations/?q=going").content.decode()
    text = b"".join(staff.get("/organizations.csv?q=going")).decode()
    [row] = csv.DictReader(io.StringIO(text))

    assert body["totals"] == [
        {"currency": "usd", "amount": 2844, "low": None, "high": None}
    ]
    assert sum(line["amount"] for line in body["lines"]) == 2844
    assert (body["invoice_on"], row["estimated_invoice_on"]) == ("2026-12-01",) * 2
    assert Decimal(row["estimated_invoice"]) == 2844
    for page in (*pages.values(), listing):
        assert 'title="$2,844' in page
    for page in pages.values():
        assert 'data-invoice-on="2026-12-01"' in page
        for line in body["lines"]:
            assert f'href="{line["url"]}"' in page
            assert staff.get(line["url"]).status_code == 200
    [limited] = body["limits"]
    assert limited["projected_on"] == row["next_limit_on"] == "2026-11-27"


def test_it_needs_the_right_to_read_billing(
    owing: Organization, acme: WhiteLabel
) -> None:
    decoy = WhiteLabel.objects.get(slug="decoy")
    for label, scope, status in (
        (acme, "organizations:read", 403),
        (decoy, "billing:read", 404),
    ):
        client = Client(headers={"x-api-key": make_key(label, scope)})
        url = f"/api/v1/organizations/{owing.pk}/forecast"
        assert client.get(url).status_code == status


def test_the_list_reads_no_more_for_more_organizations(
    staff: Client, owing: Organization, acme: WhiteLabel
) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert staff.get("/organizations/").status_code == 200
        return len(queries)

    before = count()
    for number in range(5):
        subscribe(make_organization(acme, f"more-{number}"))

    assert count() <= before


def check_lists_have_the_range(organization: Organization, total: Total) -> None:
    """Compare the range of lists and files with that of the page.

    A list shows what was prepared, and asks for it; a file computes it.
    """

    def listed() -> EstimatedInvoice:
        [row] = list_estimates([organization], forecast_all([organization])).values()
        return row

    assert listed().totals == (replace(total, low=None, high=None),)
    assert listed().needs_range
    [row] = iterate_rows(Organization.objects.all(), [organization.pk])
    assert row.estimate is not None
    assert row.estimate.totals == (total,)
    stranger = make_organization(organization.white_label, "without-an-end")
    assert fill_missing_bands([organization.pk, stranger.pk]) == 1
    assert (listed().totals, listed().needs_range) == ((total,), False)
    assert fill_missing_bands([organization.pk]) == 0
    assert get_estimate(organization).totals == (total,)


def test_a_long_history_has_a_range_and_a_score(acme: WhiteLabel) -> None:
    old = make_organization(acme, "old", contract_started_on="2026-01-01")
    make_rate(acme, "1")
    weekend = (5, 6)
    events = []
    for days in range(200):
        at = NOW - timedelta(days=days)
        cost = (30 if at.weekday() in weekend else 100) + days * 7 % 5
        events.append(
            event(
                f"e-{days}",
                organization="old",
                timestamp=at.isoformat(),
                quantities={"requests": cost},
            )
        )
    record(acme, events)
    subscribe(old)
    BillingAccount.objects.get_or_create(organization=old)
    for month in (8, 9, 10, 11):
        close_period(old.pk, ends_at=datetime(2026, month, 1, tzinfo=UTC))

    estimate = get_estimate(old)

    [total] = estimate.totals
    assert total.low is not None
    assert total.high is not None
    assert total.low <= total.amount <= total.high
    assert estimate.hit_rate is not None
    check_lists_have_the_range(old, total)
    assert estimate.hit_rate.are_billing_periods
    assert (estimate.hit_rate.hits, estimate.hit_rate.periods) == (3, 3)


@pytest.mark.parametrize(("benchmark", "has_savings"), [("0", False), ("2", True)])
def test_savings_are_shown_where_a_price_has_a_benchmark(
    staff: Client, acme: WhiteLabel, benchmark: str, *, has_savings: bool
) -> None:
    organization = make_organization(acme, "saving")
    make_rate(acme, "1", benchmark=benchmark)
    record(acme, [event("one", organization="saving")])

    page = staff.get(reverse("billing:overview", args=[organization.pk]))

    is_shown = 'data-number="organization.savings_this_period"' in page.content.decode()
    assert is_shown is has_savings
