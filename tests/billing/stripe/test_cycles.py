"""Subscriptions of any billing cycle: mirrored, shown, and billed with each draft."""

from decimal import Decimal

import pytest
import time_machine

from billing.cycles import Cycle
from billing.models import BillingPeriod, Charge, Discrepancy, Subscription
from orgs.models import Organization, WhiteLabel
from tests.factories import event, make_rate, record
from tests.support.fake_stripe import FakeStripe, make_price
from tests.support.stripe_mirror import customer_of, run_sync, subscribe

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.mark.parametrize(
    ("interval", "count", "name"),
    [
        ("day", 1, "daily"),
        ("day", 7, "weekly"),
        ("day", 30, "every 30 days"),
        ("week", 1, "weekly"),
        ("week", 2, "every 2 weeks"),
        ("month", 1, "monthly"),
        ("month", 3, "every 3 months"),
        ("month", 12, "yearly"),
        ("month", 24, "every 2 years"),
        ("year", 1, "yearly"),
        ("year", 2, "every 2 years"),
    ],
)
def test_a_cycle_has_one_name(interval: str, count: int, name: str) -> None:
    assert str(Cycle(interval, count)) == name


@pytest.mark.parametrize(
    ("interval", "count", "is_longer"),
    [("day", 30, False), ("week", 4, False), ("month", 1, False), ("day", 32, True),
     ("week", 5, True), ("month", 2, True), ("year", 1, True)],
)  # fmt: skip
def test_a_cycle_is_longer_than_a_month_or_not(
    interval: str, count: int, is_longer: bool
) -> None:
    assert Cycle(interval, count).is_longer_than_a_month is is_longer


@pytest.mark.parametrize(
    "cycle",
    [("week", 1), ("day", 30), ("month", 3), ("month", 12), ("year", 2), ("day", 1)],
)
def test_each_draft_of_any_cycle_closes_its_period(
    fake_stripe: FakeStripe,
    frozen: time_machine.Traveller,
    acme: WhiteLabel,
    org: Organization,
    cycle: tuple[str, int],
) -> None:
    interval, count = cycle
    price = make_price(fake_stripe, interval=interval, interval_count=count).id
    subscribe(fake_stripe, customer_of(fake_stripe, org), price)
    make_rate(acme, "3")
    run_sync(acme)
    for number in (1, 2):
        record(acme, [event(f"e-{number}", quantities={"requests": 1})])
        row = Subscription.objects.get()
        assert row.period_ends_at
        ends_at = row.period_ends_at.timestamp() + 60
        frozen.move_to(ends_at)
        fake_stripe.advance(to=int(ends_at))
        run_sync(acme)

    assert (row.cycle_interval, row.cycle_count) == (interval, count)
    assert not Discrepancy.objects.filter(kind="unknown_price").exists()
    closed = BillingPeriod.objects.filter(organization=org, ends_at__isnull=False)
    assert closed.count() == 2
    assert {period.cost for period in closed} == {Decimal(3)}
    assert list(Charge.objects.values_list("amount", flat=True)) == [3, 3]
    assert "" not in Charge.objects.values_list("invoice_stripe_id", flat=True)


def test_a_price_that_is_paid_once_is_not_sold(
    fake_stripe: FakeStripe, frozen: object, acme: WhiteLabel, org: Organization
) -> None:
    client = fake_stripe.client().v1
    kinds = {"orgdesk_kind": "platform", "orgdesk_tier": "growth"}
    product = client.products.create({"name": "Setup", "metadata": kinds})
    client.prices.create({"product": product.id, "currency": "usd", "unit_amount": 5})

    run = run_sync(acme)

    assert (run.errors, Discrepancy.objects.count()) == (0, 0)
