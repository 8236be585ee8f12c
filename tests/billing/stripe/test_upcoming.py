"""Stripe's preview prices what Stripe prices, and the estimate becomes the invoice."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from billing.forecast.queries.estimated_invoices import get_estimate
from billing.forecast.queries.estimates import EstimatedInvoice
from billing.ledger.commands.charges import send_charges
from billing.models import (
    BillingAccount,
    BillingPeriod,
    Invoice,
    StripeEvent,
    Subscription,
    UpcomingInvoice,
)
from billing.stripe.commands.upcoming import mark_outdated, refresh_upcoming
from billing.stripe.commands.webhook_events.execution import handle
from billing.stripe.queries.upcoming import list_outdated
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, event, make_rate, record
from tests.support.alerts import give
from tests.support.fake_stripe import FakeStripe, make_price
from tests.support.snapshots import snapshot
from tests.support.stripe_mirror import customer_of, run_sync

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.usefixtures("frozen"),
]


@pytest.fixture
@snapshot
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


def reductions(fake_stripe: FakeStripe, **off: Any) -> dict[str, Any]:
    """Return the parameters of a subscription with a discount and 7.7% of tax."""
    client = fake_stripe.client().v1
    currency = {"currency": "usd"} if "amount_off" in off else {}
    coupon: Any = {"duration": "forever", **off, **currency}
    rate: Any = {"display_name": "VAT", "inclusive": False, "percentage": 7.7}
    return {
        "discounts": [{"coupon": client.coupons.create(coupon).id}],
        "default_tax_rates": [client.tax_rates.create(rate).id],
    }


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


@pytest.mark.parametrize(
    ("trial_days", "off"),
    [(0, {}), (9, {}), (0, {"percent_off": 25}), (0, {"amount_off": 20_000})],
)
def test_the_estimate_becomes_the_invoice(
    fake_stripe: FakeStripe,
    org: Organization,
    customer: str,
    trial_days: int,
    off: dict[str, Any],
) -> None:
    """Usage of 12 a day until half an hour before the period, or the trial, ends.

    A discount and a tax also apply to what usage costs.
    """
    acme = org.white_label
    plan = make_price(fake_stripe, 2900).id
    seats = make_price(fake_stripe, 1100, kind="spaces", tier="team").id
    more: dict[str, Any] = {"trial_period_days": trial_days} if trial_days else {}
    if off:
        more |= reductions(fake_stripe, **off)
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
    assert estimate.tax == "included"

    fake_stripe.advance(to=int(ends_at.timestamp()) + 60)
    with time_machine.travel(ends_at + timedelta(minutes=2), tick=False):
        run_sync(acme)
        for period in BillingPeriod.objects.filter(charges__isnull=False).distinct():
            send_charges(period.pk)
        fake_stripe.advance(hours=2)
        run_sync(acme)

    usage = 12 * (days - 1) + 20 - (20 if trial_days else 0)
    newest = Invoice.objects.order_by("-issued_at", "-id")[0]
    whole = usage + 29 + 77
    expected = {"percent_off": whole * 75, "amount_off": whole * 100 - 20_000}
    cents = expected[next(iter(off))] * Decimal("1.077") if off else whole * 100
    assert estimate.total.amount == newest.total == round(cents) / Decimal(100)


# --- tax and discounts on usage -------------------------------------------------------


@pytest.fixture
@snapshot
def using(fake_stripe: FakeStripe, acme: WhiteLabel, customer: str) -> str:
    """Use 100 of a subscription with 25% off and 7.7% of tax; return its id."""
    plan = make_price(fake_stripe, 2900).id
    id_ = start(
        fake_stripe, customer, (plan, 1), **reductions(fake_stripe, percent_off=25)
    )
    run_sync(acme)
    make_rate(acme, "1")
    record(acme, [event("e", quantities={"requests": 100})])
    return id_


def test_tax_and_discounts_are_named_as_far_as_they_are_known(
    fake_stripe: FakeStripe, org: Organization, using: str
) -> None:
    before = get_estimate(org)
    assert (before.tax, "usage_tax" in amounts(before)) == ("not_included", False)
    assert before.tax_message

    refresh_upcoming([org.pk])

    estimate = get_estimate(org)
    usage = before.charged_usage
    lines = {line.code: line.amount for line in estimate.lines}
    off = round(usage / 4, 2)
    assert lines["usage_discount"] == -off
    assert lines["usage_tax"] == round((usage - off) * Decimal("0.077"), 2)
    assert (lines["discount"], lines["tax"]) == (Decimal("-7.25"), Decimal("1.67"))
    assert (estimate.tax, estimate.needs_preview) == ("included", False)
    assert estimate.total is not None
    assert estimate.total.amount == sum(filter(None, lines.values()))


def test_more_usage_is_taxed_in_proportion_and_asked_about_again(
    acme: WhiteLabel, org: Organization, using: str
) -> None:
    refresh_upcoming([org.pk])
    record(acme, [event("more", quantities={"requests": 1_000})])

    estimate = get_estimate(org)

    tax = {line.code: line.amount for line in estimate.lines}["usage_tax"]
    taxed = estimate.charged_usage * Decimal("0.75")
    assert tax == pytest.approx(taxed * Decimal("0.077"), abs=Decimal("0.2"))
    assert estimate.needs_preview


def test_usage_on_another_invoice_than_the_plan_is_not_taxed_by_its_preview(
    fake_stripe: FakeStripe, acme: WhiteLabel, org: Organization, customer: str
) -> None:
    yearly = make_price(fake_stripe, 29_000, interval="year").id
    start(fake_stripe, customer, (yearly, 1), **reductions(fake_stripe, percent_off=25))
    run_sync(acme)
    make_rate(acme, "1")
    record(acme, [event("e", quantities={"requests": 100})])
    refresh_upcoming([org.pk])

    estimate = get_estimate(org)

    assert estimate.has_invoice
    assert (estimate.usage_subscription, estimate.tax) == ("", "not_included")
    assert not estimate.needs_preview


# --- previews follow what they depend on ----------------------------------------------


def is_outdated() -> bool:
    return UpcomingInvoice.objects.get().outdated_at is not None


def test_a_change_in_stripe_marks_the_preview_until_it_is_read_again(
    fake_stripe: FakeStripe, acme: WhiteLabel, org: Organization, using: str
) -> None:
    refresh_upcoming([org.pk])
    mark_outdated([org.pk + 1])
    assert (is_outdated(), list_outdated(5)) == (False, [])

    fake_stripe.client().v1.subscriptions.update(using, {"cancel_at_period_end": True})
    run_sync(acme)

    assert (is_outdated(), list_outdated(5)) == (True, [org.pk])
    refresh_upcoming([org.pk])
    assert not UpcomingInvoice.objects.filter(has_invoice=True).exists()
    assert list_outdated(5) == []


def test_a_change_while_stripe_is_asked_keeps_the_mark(
    org: Organization, using: str
) -> None:
    refresh_upcoming([org.pk])
    later = UpcomingInvoice.objects.get().read_at + timedelta(minutes=5)
    UpcomingInvoice.objects.update(outdated_at=later)

    refresh_upcoming([org.pk])

    assert UpcomingInvoice.objects.get().outdated_at == later
    assert get_estimate(org).needs_preview


def test_a_refused_preview_is_forgotten(
    fake_stripe: FakeStripe, org: Organization, using: str
) -> None:
    refresh_upcoming([org.pk])
    fake_stripe.fault("error", status=402)

    assert refresh_upcoming([org.pk]) == 0
    assert not UpcomingInvoice.objects.exists()


def test_events_about_discounts_and_taxes_mark_previews(
    org: Organization, customer: str, using: str
) -> None:
    refresh_upcoming([org.pk])
    for number, (type_, marks) in enumerate(
        {
            "customer.discount.created": True,
            "customer.tax_id.deleted": True,
            "invoiceitem.created": True,
            "coupon.deleted": True,
            "tax_rate.updated": True,
            "charge.succeeded": False,
        }.items()
    ):
        UpcomingInvoice.objects.update(outdated_at=None)
        row = StripeEvent.objects.create(
            event_id=f"evt_{number}",
            type=type_,
            object_id="x_1",
            happened_at=NOW,
            payload={"data": {"object": {"id": "x_1", "customer": customer}}},
        )

        handle(row.pk)

        row.refresh_from_db()
        assert (row.state, is_outdated()) == ("done", marks), type_


def test_an_event_about_a_discount_that_is_not_mirrored_marks_the_preview(
    fake_stripe: FakeStripe, org: Organization, using: str
) -> None:
    refresh_upcoming([org.pk])
    fake_stripe.client().v1.subscriptions.update(using, {"discounts": ""})
    [event_] = fake_stripe.events("customer.subscription.updated")[-1:]
    row = StripeEvent.objects.create(
        event_id=event_["id"],
        type=event_["type"],
        object_id=using,
        happened_at=NOW,
        api_version=event_["api_version"],
        payload=event_,
    )

    handle(row.pk)

    assert is_outdated()
    refresh_upcoming([org.pk])
    assert "usage_discount" not in amounts(get_estimate(org))
    assert not is_outdated()


@pytest.mark.parametrize("of", ["subscription", "customer"])
def test_a_sync_finds_a_changed_discount_whose_webhook_was_lost(
    fake_stripe: FakeStripe,
    acme: WhiteLabel,
    org: Organization,
    using: str,
    of: str,
) -> None:
    refresh_upcoming([org.pk])
    run_sync(acme)  # it sees them for the first time
    refresh_upcoming([org.pk])
    run_sync(acme)
    assert not is_outdated()

    if of == "subscription":
        fake_stripe.client().v1.subscriptions.update(using, {"discounts": ""})
    else:
        fake_stripe.change(BillingAccount.objects.get().stripe_id or "", balance=-500)
    run_sync(acme)

    assert is_outdated()
