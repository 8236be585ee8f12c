"""Tests of terms that change inside a period: each part is billed by its own."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from billing import gateway
from billing.cycles import last_month_end
from billing.ledger.commands.credits import grant_credit
from billing.ledger.commands.periods import close_period
from billing.ledger.commands.terms import close_changed_terms, close_ended_months
from billing.ledger.queries.credits import get_balances
from billing.ledger.queries.facts import billing_facts
from billing.ledger.queries.terms import list_ended_months
from billing.models import BillingPeriod, Charge, Subscription
from billing.stripe.commands.mirror.fetches import FetchContext
from billing.stripe.commands.mirror.refetches import (
    fetch_prices,
    refetch_all_of,
    refetch_customer,
    refetch_subscription,
)
from billing.stripe.commands.mirror.subscriptions import mirror_subscriptions
from metrics.commands.voids import void_correction
from metrics.models import Correction, UsageEvent
from metrics.queries.voids import UsageRange
from orgs.models import WhiteLabel
from tests.factories import (
    NOW,
    event,
    make_organization,
    make_rate,
    make_white_label,
    period_cost,
    record,
)
from tests.support.corrections import APPLY, run
from tests.support.fake_stripe import FakeStripe, make_price
from tests.support.parallel import together
from tests.support.snapshots import snapshot
from tests.support.stripe_mirror import run_sync, subscribe
from tests.support.years import Year, make_year

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
WHO: dict[str, Any] = {"note": "why not", "by": "ann"}
DAY = timedelta(days=1)


@pytest.fixture
def year(
    fake_stripe: FakeStripe, frozen: time_machine.Traveller, acme: WhiteLabel
) -> Year:
    year = make_year(fake_stripe, frozen, acme)
    year.makes_invoices, year.deliveries = True, 1
    return year


def start_trial(year: Year, *, days: int = 14, free: int = 50) -> None:
    vars(year).update(vars(_start_trial(year.fake, year, days, free)))


@snapshot
def _start_trial(fake: FakeStripe, year: Year, days: int, free: int) -> Year:
    ends_at = int((timezone.now() + days * DAY).timestamp())
    year.subscribe(trial_end=ends_at)
    id_ = year.organization.id
    grant_credit(id_, kind="free_balance", amount=Decimal(free), **WHO)
    return year


def start_trial_unseen(year: Year) -> None:
    """Start a trial in Stripe whose events never arrive."""
    price = make_price(year.fake, 2900).id
    ends_at = int((timezone.now() + 14 * DAY).timestamp())
    id_ = subscribe(year.fake, year.customer_id, price, trial_end=ends_at)
    year.subscription_id = id_
    year.delivered |= {item["id"] for item in year.fake.events()}


def change(year: Year, *, deliver: bool = True, **parameters: Any) -> None:
    """Change the subscription in Stripe, as its dashboard does."""
    subscriptions = year.fake.client().v1.subscriptions
    subscriptions.update(year.subscription_id, parameters)  # type: ignore[arg-type]
    if deliver:
        year.deliver_events()


def change_price(year: Year, interval: str, amount: int = 29_000) -> None:
    price = make_price(year.fake, amount, interval=interval).id
    subscription = year.fake.client().v1.subscriptions.retrieve(year.subscription_id)
    item = subscription["items"].data[0].id
    change(year, items=[{"id": item, "price": price}])


def periods(year: Year) -> list[tuple[Any, Any, Any]]:
    """Return cost, free balance and day of the end of each closed period."""
    rows = BillingPeriod.objects.filter(organization=year.organization, cost__gte=0)
    return [
        (row.cost, row.free_balance_used, row.ends_at and row.ends_at - NOW)
        for row in rows.order_by("number")
    ]


def charged(year: Year) -> list[Decimal]:
    return [amount for _, amounts in year.billed() for amount in amounts]


def test_free_balance_pays_for_a_trial_that_was_ended_early(year: Year) -> None:
    start_trial(year)
    year.use_now(15)
    year.wait(days=2)

    change(year, trial_end="now")
    year.use_now(4)
    year.bill()

    used = Decimal("15.015")
    assert periods(year) == [(used, used, 2 * DAY), (Decimal("4.004"), 0, 32 * DAY)]
    assert charged(year) == [4]
    assert get_balances(year.organization).free_balance == 50 - used
    assert year.is_reconciled()


def test_free_balance_pays_for_a_trial_that_was_extended(year: Year) -> None:
    start_trial(year)
    year.wait(days=10)
    change(year, trial_end=int((timezone.now() + 20 * DAY).timestamp()))
    year.use_now(15)
    year.wait(days=19)
    year.use_now(1)
    assert periods(year) == []

    year.bill()

    assert periods(year) == [(Decimal("16.016"), Decimal("16.016"), 30 * DAY)]
    assert charged(year) == []


def test_usage_after_the_end_of_a_trial_is_not_free_however_late_it_is_seen(
    year: Year,
) -> None:
    start_trial(year)
    year.use_now(15)
    year.clock.shift(2 * DAY)
    year.fake.advance(days=2)
    change(year, trial_end="now", deliver=False)
    year.clock.shift(3 * DAY)
    year.fake.advance(days=3)
    year.use_now(4)  # and the webhooks of three days ago are still on their way

    year.deliver_events()

    used = Decimal("15.015")
    assert periods(year) == [(used, used, 2 * DAY)]
    year.bill()
    assert charged(year) == [4]
    assert year.is_reconciled()


def test_usage_before_a_trial_is_not_free(year: Year) -> None:
    year.use_now(3)
    year.wait(days=1)
    start_trial(year)
    year.use_now(5)

    year.bill()

    assert periods(year) == [
        (Decimal("3.003"), 0, DAY),
        (Decimal("5.005"), Decimal("5.005"), 15 * DAY),
    ]
    assert charged(year) == [3]


@pytest.mark.parametrize("first", ["invoice.created", "customer.subscription.updated"])
def test_late_usage_before_a_trial_is_not_free_whatever_event_is_first(
    year: Year, first: str
) -> None:
    start_trial(year)
    year.wait(hours=1)
    year.use_now(5)
    year.use(3)  # of an hour before the trial
    year.first = first

    year.bill()

    used = [(cost, free) for cost, free, _ in periods(year)]
    assert used == [(Decimal("3.003"), 0), (Decimal("5.005"), Decimal("5.005"))]
    assert charged(year) == [3]


def test_usage_before_a_trial_is_not_free_when_its_customer_is_linked_later(
    year: Year,
) -> None:
    year.use_now(3)
    year.wait(days=1)
    start_trial_unseen(year)
    year.use_now(5)

    refetch_all_of(year.customer_id)

    assert periods(year) == [(Decimal("3.003"), 0, DAY)]


def test_a_trial_is_seen_again_after_a_worker_died_before_the_closing(
    year: Year, acme: WhiteLabel
) -> None:
    year.use_now(3)
    year.wait(days=1)
    start_trial_unseen(year)
    refetch_customer(year.customer_id)
    subscription = gateway.get_subscription(year.subscription_id)
    fetch_prices([subscription], FetchContext(timezone.now()))
    mirror_subscriptions([subscription], FetchContext(timezone.now()))
    year.use_now(5)
    assert periods(year) == []

    run_sync(acme)

    assert periods(year) == [(Decimal("3.003"), 0, DAY)]


def test_a_canceled_trial_that_its_successor_reveals_closes_the_period(
    year: Year,
) -> None:
    """The successor is mirrored with all other subscriptions of its customer."""
    start_trial(year)
    year.use_now(3)
    pass_unseen(year, days=1)
    year.fake.client().v1.subscriptions.cancel(year.subscription_id)
    pass_unseen(year, days=1)
    price = make_price(year.fake, 2900).id
    successor = subscribe(year.fake, year.customer_id, price)

    refetch_subscription(successor)

    assert periods(year) == [(Decimal("3.003"), Decimal("3.003"), DAY)]


def test_a_trial_that_begins_in_a_paid_month_splits_it(year: Year) -> None:
    year.subscribe()
    grant_credit(year.organization.id, kind="free_balance", amount=Decimal(50), **WHO)
    year.use_now(3)
    year.wait(days=5)
    change(year, trial_end=int((timezone.now() + 7 * DAY).timestamp()))
    year.use_now(5)

    year.bill()

    assert periods(year) == [
        (Decimal("3.003"), 0, 5 * DAY),
        (Decimal("5.005"), Decimal("5.005"), 12 * DAY),
    ]
    assert charged(year) == [3]
    assert year.is_reconciled()


def test_a_month_that_becomes_a_year_is_invoiced_at_once(year: Year) -> None:
    year.subscribe()
    year.use_now(15)
    year.wait(days=20)

    change_price(year, "year")

    assert [cost for cost, *_ in periods(year)] == [Decimal("15.015")]
    assert year.billed()[-1] == ("draft", [Decimal("15.02")])
    year.wait(hours=2)
    assert year.billed()[-1] == ("paid", [Decimal("15.02")])
    assert year.is_reconciled()


def test_a_year_that_becomes_a_month_waits_for_its_draft(year: Year) -> None:
    year.subscribe(interval="year")
    year.use_now(15)
    year.wait(days=20)

    change_price(year, "month", 2_900)
    assert charged(year) == []
    year.use_now(1)
    year.bill()

    assert [cost for cost, *_ in periods(year)] == [Decimal("15.015"), Decimal("1.001")]
    assert sorted(charged(year)) == [1, Decimal("15.02")]


def test_usage_is_invoiced_monthly_while_the_plan_is_quarterly(year: Year) -> None:
    year.subscribe(interval="month", interval_count=3)
    for number in range(1, 4):
        year.use_now(2)
        month, later = (NOW.month - 1 + number) % 12 + 1, NOW.month + number > 12
        ends_at = NOW.replace(year=NOW.year + later, month=month)
        year.wait(seconds=(ends_at - timezone.now()).total_seconds() + 360)
    year.wait(hours=2)

    assert sum(charged(year)) == sum(row.amount for row in Charge.objects.all())
    usage = [amounts for _, amounts in year.billed() if amounts]
    assert usage == [[Decimal("2.00")]] * 3
    assert {status for status, _ in year.billed()} == {"paid"}
    rows = BillingPeriod.objects.filter(organization=year.organization, cost__gte=0)
    assert rows.count() == 3
    assert rows.latest("number").invoice.stripe_id, "the quarterly draft bills the last"
    assert year.is_reconciled()


def test_a_month_is_listed_when_it_has_ended_and_until_it_is_closed(
    year: Year,
) -> None:
    year.subscribe(interval="year")  # on November 21, so the month has 30 days
    year.use_now(2)
    for days, hours in ((29, 23), (0, 2), (30, 20), (0, 4)):
        year.clock.shift(timedelta(days=days, hours=hours))
        listed = list_ended_months(10)
        assert listed == ([year.subscription_id] if days == 0 else [])

        for stripe_id in listed:
            assert close_ended_months(stripe_id)
        assert list_ended_months(10) == []


def test_without_the_setting_usage_waits_for_the_yearly_draft(year: Year) -> None:
    WhiteLabel.objects.update(bills_usage_monthly=False)
    year.subscribe(interval="year")
    year.use_now(2)
    year.wait(days=100)
    assert (periods(year), charged(year)) == ([], [])

    year.bill()

    assert charged(year) == [2]


def test_a_pause_and_a_trial_are_not_cut_into_months(year: Year) -> None:
    ends_at = int((timezone.now() + 90 * DAY).timestamp())
    year.subscribe(interval="year", trial_end=ends_at)
    year.use_now(2)
    year.wait(days=70)
    assert periods(year) == []
    year.wait(days=21, hours=1)
    assert len(periods(year)) == 1
    pause: Any = {"behavior": "void"}
    change(year, pause_collection=pause)
    year.wait(days=70)
    assert len(periods(year)) == 1
    change(year, pause_collection="")
    assert len(periods(year)) == 2


def test_a_reset_of_the_anchor_closes_the_period(year: Year) -> None:
    year.subscribe()
    year.use_now(15)
    year.wait(days=20)

    change(year, billing_cycle_anchor="now", proration_behavior="none")
    year.use_now(1)
    year.bill()

    assert [(cost, at) for cost, _, at in periods(year)] == [
        (Decimal("15.015"), 20 * DAY),
        (Decimal("1.001"), 51 * DAY),
    ]
    assert sorted(charged(year)) == [1, Decimal("15.02")]


def test_another_tier_closes_nothing(year: Year) -> None:
    year.subscribe()
    year.use_now(15)
    year.wait(days=20)

    change_price(year, "month", 9_900)

    assert periods(year) == []
    year.bill()
    assert charged(year) == [Decimal("15.02")]


def test_canceled_and_subscribed_again_everything_is_charged_once(year: Year) -> None:
    year.subscribe()
    year.use_now(3)
    year.wait(days=3)
    year.fake.client().v1.subscriptions.cancel(year.subscription_id)
    year.deliver_events()
    year.wait(days=3, hours=2)
    year.use_now(4)
    year.wait(days=3)

    year.subscribe()
    year.use_now(5)
    year.bill()

    assert charged(year) == [3, Decimal("9.01")]
    assert year.is_reconciled()


def test_canceled_at_the_period_end_the_last_usage_is_invoiced(year: Year) -> None:
    year.subscribe()
    change(year, cancel_at_period_end=True)
    year.use_now(3)

    year.wait(days=31)
    year.wait(hours=2)

    assert charged(year) == [3]
    assert year.billed()[-1][0] == "paid"


@pytest.mark.parametrize("subscribes_again", [False, True])
def test_a_trial_that_was_canceled_is_free_until_then_however_late_it_is_seen(
    year: Year, acme: WhiteLabel, subscribes_again: bool
) -> None:
    start_trial(year)
    year.use_now(15)
    pass_unseen(year, days=2)
    year.fake.client().v1.subscriptions.cancel(year.subscription_id)
    pass_unseen(year, days=12)
    year.use_now(4)
    if subscribes_again:
        price = make_price(year.fake).id
        subscribe(year.fake, year.customer_id, price)

    run_sync(acme)

    used = Decimal("15.015")
    assert periods(year) == [(used, used, 2 * DAY)]
    assert get_balances(year.organization).free_balance == 50 - used
    assert year.is_reconciled()


def test_a_cancellation_that_is_seen_a_week_later_is_invoiced(
    year: Year, acme: WhiteLabel
) -> None:
    year.subscribe()
    year.use_now(3)
    pass_unseen(year, days=2)
    year.fake.client().v1.subscriptions.cancel(year.subscription_id)
    pass_unseen(year, days=7)
    year.use_now(4)

    run_sync(acme)
    year.work()
    year.wait(hours=2)

    assert periods(year) == [(Decimal("3.003"), 0, 2 * DAY)]
    assert charged(year) == [3]


def pass_unseen(year: Year, *, days: int) -> None:
    """Advance both clocks; no event of Stripe arrives."""
    year.clock.shift(days * DAY)
    year.fake.advance(days=days)


def test_a_sync_alone_leads_to_the_same_books(year: Year, acme: WhiteLabel) -> None:
    start_trial(year)
    year.use_now(15)
    year.clock.shift(2 * DAY)
    year.fake.advance(days=2)
    change(year, trial_end="now", deliver=False)

    run_sync(acme)
    run_sync(acme)

    used = Decimal("15.015")
    assert periods(year) == [(used, used, 2 * DAY)]


def test_a_draft_of_a_changed_subscription_takes_what_waits(year: Year) -> None:
    """Invoices that are emailed stay drafts for an hour."""
    year.subscribe(collection_method="send_invoice", days_until_due=30)
    year.use_now(15)
    year.wait(days=20)

    change(year, billing_cycle_anchor="now", proration_behavior="none")

    assert year.billed()[-1] == ("draft", [Decimal("15.02")])


@pytest.mark.parametrize(
    ("start", "until", "expected"),
    [
        ("2026-01-31", "2026-02-27", None),
        ("2026-01-31", "2026-02-28", "2026-02-28"),
        ("2026-01-31", "2026-03-30", "2026-02-28"),
        ("2026-01-31", "2026-03-31", "2026-03-31"),
        ("2024-02-29", "2025-02-28", "2025-02-28"),
        ("2026-12-15", "2027-01-15", "2027-01-15"),
        ("2026-12-15", "2026-12-31", None),
    ],
)
def test_months_end_as_stripe_counts_them(
    start: str, until: str, expected: str | None
) -> None:
    first, now = (
        datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (start, until)
    )
    end = last_month_end(first, until=now)
    assert (end and f"{end:%Y-%m-%d}") == expected


def test_a_split_moves_usage_with_its_costs(
    acme: WhiteLabel, frozen: time_machine.Traveller
) -> None:
    """Rates, a re-rate, a void and projects; daily sums stay what their events make."""
    org = make_organization(acme, "org-1")
    make_rate(acme, "1")
    make_rate(acme, "2", product="claude")
    fields: dict[str, Any] = {"organization": "org-1"}
    early, late = "2026-11-19T11:00:00Z", "2026-11-21T11:00:00Z"
    record(
        acme,
        [
            event("a", **fields, timestamp=early),
            event("b", **fields, timestamp=early, product="claude", project="p-1"),
            event("c", **fields, timestamp=late),
            event("d", **fields, timestamp=late, product="claude", project="p-1"),
            event("e", **fields, timestamp=late, product="unpriced"),
            event("v", **fields, timestamp=late),
        ],
    )
    make_rate(acme, "3")
    run("rerate", "--organization", "org-1", "--period", "open", *APPLY)
    from billing.ledger.commands.voids import void_usage  # noqa: PLC0415

    span = UsageRange(org, NOW - 9 * DAY, NOW, event_id="v")
    void_usage(span, correction=void_correction(**WHO))

    period = close_period(org.id, ends_at=NOW - DAY, splits=True)

    assert period.cost == 5 * 3 + 5 * 2
    check = ("rebuild_days", "--white-label", "acme", "--from", "2026-11-01")
    assert run(*check, "--to", "2026-11-23") == (0, ["differences 0"])
    second = close_period(org.id, ends_at=NOW)
    assert second.cost == 5 * 3 + 5 * 2
    split = Correction.objects.get(kind="split")
    assert (split.cost, split.finished_at) == (0, NOW)


def test_the_forecast_ends_with_the_month(year: Year) -> None:
    year.subscribe(interval="year")
    year.wait(days=20)

    ends_at = billing_facts([year.organization.id])[year.organization.id].period_ends_at
    assert ends_at == NOW + 30 * DAY
    WhiteLabel.objects.update(bills_usage_monthly=False)
    ends_at = billing_facts([year.organization.id])[year.organization.id].period_ends_at
    assert ends_at == NOW + 365 * DAY


@pytest.mark.usefixtures("committed", "frozen")
def test_workers_and_recordings_at_once_split_it_once() -> None:
    label = make_white_label()
    org = make_organization(label)
    make_rate(label, "1")
    grant_credit(org.id, kind="free_balance", amount=Decimal(500), **WHO)
    ended_at = NOW - DAY
    Subscription.objects.create(
        organization=org,
        stripe_id="sub_1",
        status="active",
        tier="growth",
        stripe_price_id="price_1",
        began_at=NOW - 9 * DAY,
        cycle_anchor_at=ended_at,
        trial_starts_at=NOW - 9 * DAY,
        trial_ends_at=ended_at,
    )

    def write(number: int) -> None:
        for n in range(6):
            at = NOW - timedelta(hours=12 if n % 2 else 36)
            record(label, [event(f"{number}-{n}", timestamp=at.isoformat())])

    def close() -> None:
        close_changed_terms("sub_1")

    together([*[lambda n=n: write(n) for n in range(3)], *[close] * 3])

    period = BillingPeriod.objects.get(organization=org, number=1)
    assert BillingPeriod.objects.filter(organization=org).count() == 2
    costs = {n: period_cost(org.id, number=n).cost for n in (1, 2)}
    assert sum(costs.values()) == 18 * 5
    assert period.cost == period.free_balance_used == costs[1]
    late = UsageEvent.objects.filter(period=1, at__gte=ended_at)
    assert not late.exists()
    check = ("rebuild_days", "--white-label", "acme", "--from", "2026-11-01")
    assert run(*check, "--to", "2026-11-23") == (0, ["differences 0"])
