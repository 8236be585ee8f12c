"""Stripe's preview prices what Stripe prices, and the estimate becomes the invoice."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from billing.forecast.queries.estimated_invoices import get_estimate
from billing.forecast.queries.estimates import EstimatedInvoice
from billing.ledger.commands.charges import send_charges
from billing.models import BillingPeriod, Invoice, Subscription, UpcomingInvoice
from billing.stripe.commands.upcoming import refresh_upcoming
from billing.stripe.queries.upcoming import list_outdated
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, event, make_rate, record
from tests.support.alerts import give
from tests.support.fake_stripe import FakeStripe, make_price
from tests.support.stripe_mirror import customer_of, run_sync

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


@pytest.fixture
def customer(fake_stripe: FakeStripe, org: Organization) -> str:
    return customer_of(fake_stripe, org)


def amounts(estimate: EstimatedInvoice) -> dict[str, tuple[str, str]]:
    return {line.code: (line.source, str(line.amount)) for line in estimate.lines}


def start(
    fake_stripe: FakeStripe, customer: str, *items: tuple[str, int], **more: Any
) -> str:
    parameters: Any = {
        "customer": customer,
        "items": [{"price": price, "quantity": count} for price, count in items],
        **more,
    }
    return fake_stripe.client().v1.subscriptions.create(parameters).id


def test_the_preview_replaces_mirrored_prices(
    fake_stripe: FakeStripe, acme: WhiteLabel, org: Organization, customer: str
) -> None:
    plan = make_price(fake_stripe, 2900).id
    seats = make_price(fake_stripe, 1100, kind="spaces", tier="team").id
    start(fake_stripe, customer, (plan, 1), (seats, 7))
    run_sync(acme)
    before = get_estimate(org)
    assert before.needs_preview
    assert amounts(before)["seats"] == ("price", "77.00")

    fake_stripe.client().v1.invoice_items.create(
        {"customer": customer, "amount": 500, "currency": "usd", "description": "Setup"}
    )
    assert refresh_upcoming([org.pk]) == 1

    estimate = get_estimate(org)
    assert not estimate.needs_preview
    lines = amounts(estimate)
    assert lines["plan"] == ("stripe", "29.00")
    assert lines["seats"] == ("stripe", "77.00")
    assert lines["other"] == ("stripe", "5.00")
    assert estimate.total is not None
    assert estimate.total.amount == 111


def test_a_preview_of_other_terms_does_not_count(
    fake_stripe: FakeStripe, acme: WhiteLabel, org: Organization, customer: str
) -> None:
    plan = make_price(fake_stripe, 2900).id
    seats = make_price(fake_stripe, 1100, kind="spaces", tier="team").id
    start(fake_stripe, customer, (plan, 1), (seats, 7))
    run_sync(acme)
    refresh_upcoming([org.pk])
    Subscription.objects.filter(kind="platform").update(status="past_due")

    estimate = get_estimate(org)

    assert estimate.needs_preview
    assert amounts(estimate)["plan"][0] == "price"


def test_a_customer_balance_pays_what_is_owed_and_not_more(
    fake_stripe: FakeStripe, acme: WhiteLabel, org: Organization, customer: str
) -> None:
    plan = make_price(fake_stripe, 2900).id
    start(fake_stripe, customer, (plan, 1))
    run_sync(acme)
    fake_stripe.change(customer, balance=-5000)
    refresh_upcoming([org.pk])

    lines = amounts(get_estimate(org))

    assert lines["stripe_balance"] == ("stripe", "-29.00")


def test_stripe_bills_nothing_after_the_end(
    fake_stripe: FakeStripe, acme: WhiteLabel, org: Organization, customer: str
) -> None:
    plan = make_price(fake_stripe, 2900).id
    subscription = start(fake_stripe, customer, (plan, 1))
    run_sync(acme)
    fake_stripe.client().v1.subscriptions.update(
        subscription, {"cancel_at_period_end": True}
    )
    refresh_upcoming([org.pk])  # the mirror does not know of it yet

    row = UpcomingInvoice.objects.get()
    assert (row.has_invoice, row.lines) == (False, [])
    assert "plan" not in amounts(get_estimate(org))


def test_an_older_answer_does_not_replace_a_newer_one(
    fake_stripe: FakeStripe, acme: WhiteLabel, org: Organization, customer: str
) -> None:
    start(fake_stripe, customer, (make_price(fake_stripe, 2900).id, 1))
    run_sync(acme)
    refresh_upcoming([org.pk])
    later = UpcomingInvoice.objects.get().read_at + timedelta(minutes=5)
    UpcomingInvoice.objects.update(read_at=later, lines=[])

    refresh_upcoming([org.pk])

    assert (UpcomingInvoice.objects.get().read_at, list_outdated(5)) == (later, [])
    UpcomingInvoice.objects.update(read_at=later - timedelta(days=2))
    assert list_outdated(5) == [org.pk]


def test_nothing_is_stored_while_stripe_is_away(
    fake_stripe: FakeStripe, acme: WhiteLabel, org: Organization, customer: str
) -> None:
    start(fake_stripe, customer, (make_price(fake_stripe, 2900).id, 1))
    run_sync(acme)
    fake_stripe.fault("error", status=401)

    assert refresh_upcoming([org.pk]) == 0
    assert not UpcomingInvoice.objects.exists()


@pytest.mark.parametrize("trial_days", [0, 9])
def test_the_estimate_becomes_the_invoice(
    fake_stripe: FakeStripe,
    acme: WhiteLabel,
    org: Organization,
    customer: str,
    trial_days: int,
) -> None:
    """Usage of 12 a day until half an hour before the period, or the trial, ends."""
    plan = make_price(fake_stripe, 2900).id
    seats = make_price(fake_stripe, 1100, kind="spaces", tier="team").id
    more = {"trial_period_days": trial_days} if trial_days else {}
    start(fake_stripe, customer, (plan, 1), (seats, 7), **more)
    run_sync(acme)
    give(org, "20")
    make_rate(acme, "1")
    ends_at = Subscription.objects.filter(kind="platform").get().period_ends_at
    assert ends_at is not None
    days = (ends_at - NOW).days
    with time_machine.travel(ends_at - timedelta(minutes=30), tick=False):
        last = ends_at - timedelta(hours=1)
        events = [
            event(
                f"e-{ago}",
                timestamp=(last - timedelta(days=ago)).isoformat(),
                quantities={"requests": 12 if ago else 20},
            )
            for ago in range(days)
        ]
        record(acme, events, now=timezone.now())
        refresh_upcoming([org.pk])
        estimate = get_estimate(org)
    assert estimate.total is not None

    fake_stripe.advance(to=int(ends_at.timestamp()) + 60)
    with time_machine.travel(ends_at + timedelta(minutes=2), tick=False):
        run_sync(acme)
        for period in BillingPeriod.objects.filter(charges__isnull=False).distinct():
            send_charges(period.pk)
        fake_stripe.advance(hours=2)
        run_sync(acme)

    usage = 12 * (days - 1) + 20 - (20 if trial_days else 0)
    newest = Invoice.objects.order_by("-issued_at", "-id")[0]
    assert estimate.total.amount == newest.total == usage + 29 + 77
