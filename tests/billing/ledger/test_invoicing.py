"""Tests of closing a period for its draft invoice: once, with its cost as charges."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum

from billing.ledger.commands.credits import (
    grant_credit,
    refund_as_credit,
    set_free_balance,
)
from billing.ledger.commands.invoicing import (
    close_period_for_cancellation,
    close_period_for_invoice,
)
from billing.ledger.queries.charges import OTHER_PRODUCTS
from billing.ledger.queries.credits import get_balances
from billing.models import (
    BillingAccount,
    BillingPeriod,
    Charge,
    CreditEntry,
    Invoice,
    Subscription,
)
from billing.money import ZERO
from metrics.models import Usage, UsageEvent
from metrics.queries.periods import list_open_periods
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    delete,
    event,
    make_organization,
    make_rate,
    make_white_label,
    period_cost,
    record,
)
from tests.support.parallel import together
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
END = NOW - timedelta(minutes=10)
WHO: dict[str, Any] = {"note": "why not", "by": "ann"}


def make_subscription(organization: Organization, **fields: Any) -> Subscription:
    BillingAccount.objects.get_or_create(
        organization=organization, defaults={"stripe_id": f"cus_{organization.id}"}
    )
    made = {
        "stripe_id": f"sub_{organization.id}",
        "status": "active",
        "tier": "growth",
        "stripe_price_id": "price_1",
    }
    return Subscription.objects.create(organization=organization, **(made | fields))


def make_invoice(
    organization: Organization, stripe_id: str = "in_1", **fields: Any
) -> Invoice:
    """Create a mirrored invoice, as Stripe sends it at the end of a cycle."""
    made = {
        "status": "draft",
        "currency": "usd",
        "total": 50,
        "amount_due": 50,
        "issued_at": END,
    }
    return Invoice.objects.create(
        organization=organization, stripe_id=stripe_id, **(made | fields)
    )


def close(stripe_id: str = "in_1", **changes: Any) -> BillingPeriod | None:
    """Close the period for a mirrored draft, by default of its only subscription."""
    organization_id = Invoice.objects.get(stripe_id=stripe_id).organization_id
    arguments: dict[str, Any] = {
        "reason": "subscription_cycle",
        "subscription_id": f"sub_{organization_id}",
        "period_ends_at": END,
    }
    return close_period_for_invoice(stripe_id, **(arguments | changes))


def charges(organization: Organization) -> list[tuple[Any, ...]]:
    rows = Charge.objects.filter(period__organization=organization)
    ordered = rows.order_by("period__number", "-kind", "product")
    return list(
        ordered.values_list(
            "product", "cost", "amount", "state", "invoice_stripe_id", "error_code"
        )
    )


@pytest.fixture
@snapshot
def used(acme: WhiteLabel, org: Organization) -> Organization:
    """Record 10.004 of claude and 30.012 of gpt; the decoy has more."""
    make_rate(acme, "3.001")
    make_rate(acme, "2.501", product="claude")
    make_rate(acme, "0", product="free")
    decoy = WhiteLabel.objects.get(slug="decoy")
    make_rate(decoy, "1000")
    record(decoy, [event("x")])
    other = Organization.objects.get(white_label=decoy, external_id="org-7")
    grant_credit(other.id, kind="credit", amount=Decimal(999), **WHO)
    make_subscription(other)
    record(
        acme,
        [
            event("a", quantities={"requests": 10}),
            event("b", quantities={"requests": 4}, product="claude"),
            event("c", product="free"),
            event("d", product="unpriced"),
        ],
    )
    make_subscription(org)
    return org


def test_a_draft_closes_the_period_it_bills(
    acme: WhiteLabel, used: Organization
) -> None:
    make_invoice(used)

    period = close()
    record(acme, [event("late", timestamp="2026-11-20T11:00:00Z")])

    assert period is not None
    closed = BillingPeriod.objects.get(pk=period.pk)
    assert (closed.number, closed.ends_at, closed.closed_at) == (1, END, NOW)
    assert closed.cost == Decimal("40.014")
    assert (closed.free_balance_used, closed.credit_used) == (ZERO, ZERO)
    assert closed.invoice.stripe_id == "in_1"
    assert charges(used) == [
        ("claude", Decimal("10.004"), Decimal("10.00"), "pending", "in_1", ""),
        ("gpt", Decimal("30.01"), Decimal("30.01"), "pending", "in_1", ""),
    ]
    opened = BillingPeriod.objects.get(organization=used, ends_at=None)
    assert (opened.number, opened.starts_at) == (2, END)
    assert list_open_periods([used.id])[0].number == 2
    assert period_cost(used.id, number=2).cost == Decimal("15.005")
    account = BillingAccount.objects.get(organization=used)
    assert account.last_invoice_at == NOW
    assert not Charge.objects.exclude(period=period).exists()


def test_a_repeated_event_changes_nothing(used: Organization) -> None:
    make_invoice(used)
    make_invoice(used, "in_2")

    assert close() is not None
    assert close() is None
    assert close("in_2") is None, "closed at that instant already"

    assert BillingPeriod.objects.filter(organization=used).count() == 2
    assert len(charges(used)) == 2
    assert Invoice.objects.get(stripe_id="in_2").period is None


def test_no_period_ends_in_the_future_or_before_its_start(used: Organization) -> None:
    make_invoice(used)
    make_invoice(used, "in_2")
    start = BillingPeriod.objects.get(organization=used).starts_at

    assert close(period_ends_at=start) is None
    assert close(period_ends_at=start - timedelta(days=400)) is None
    period = close("in_2", period_ends_at=NOW + timedelta(days=3))

    assert period is not None
    assert period.ends_at == NOW


@pytest.mark.parametrize(
    ("arguments", "subscription", "invoice"),
    [
        ({"reason": "subscription_create"}, {}, {}),
        ({"reason": "subscription_update"}, {}, {}),
        ({"reason": "manual"}, {}, {}),
        ({}, {"kind": "spaces", "seats": 3}, {}),
        ({}, {"status": "paused"}, {}),
        ({}, {}, {"status": "void"}),
        ({"subscription_id": "sub_unknown"}, {}, {}),
    ],
)
def test_an_invoice_that_bills_no_usage_closes_nothing(
    used: Organization,
    arguments: dict[str, Any],
    subscription: dict[str, Any],
    invoice: dict[str, Any],
) -> None:
    rows = Subscription.objects.filter(organization=used)
    rows.update(**subscription)
    make_invoice(used, **invoice)

    assert close(**arguments) is None

    assert BillingPeriod.objects.get(organization=used).ends_at is None
    assert charges(used) == []


def test_an_invoice_of_another_organizations_subscription_closes_nothing(
    used: Organization,
) -> None:
    make_invoice(used)
    other = Subscription.objects.exclude(organization=used).get()

    assert close(subscription_id=other.stripe_id) is None


def test_after_a_pause_one_invoice_bills_all_of_it(
    acme: WhiteLabel, used: Organization
) -> None:
    rows = Subscription.objects.filter(organization=used)
    rows.update(status="paused")
    make_invoice(used, status="void")
    close(period_ends_at=END - timedelta(days=1))
    record(acme, [event("e", quantities={"requests": 1})])
    rows.update(status="active")
    make_invoice(used, "in_2")

    period = close("in_2")

    assert period is not None
    assert period.number == 1
    assert sum(charge[2] for charge in charges(used)) == Decimal("43.02")


def test_a_deleted_organization_pays_for_what_it_used(used: Organization) -> None:
    delete(used)
    make_invoice(used)

    assert close() is not None
    assert len(charges(used)) == 2


def test_an_organization_that_is_not_billable_is_not_charged(
    used: Organization,
) -> None:
    Organization.objects.filter(pk=used.pk).update(is_billable=False)
    grant_credit(used.id, kind="credit", amount=Decimal(5), **WHO)
    make_invoice(used)

    period = close()

    assert period is not None
    assert (period.cost, period.credit_used) == (Decimal("40.014"), ZERO)
    assert charges(used) == []
    assert get_balances(used).credit == 5


def test_free_balance_pays_first_in_the_trial(used: Organization) -> None:
    Subscription.objects.filter(organization=used).update(trial_ends_at=END)
    set_free_balance(used.id, Decimal("10.004"), **WHO)
    refund_as_credit(used.id, amount=Decimal("5.019"), key="k", **WHO)
    make_invoice(used)

    period = close()

    assert period is not None
    assert (period.cost, period.free_balance_used, period.credit_used) == (
        Decimal("40.014"),
        Decimal("10.004"),
        Decimal("5.01"),
    )
    assert charges(used) == [
        ("claude", Decimal("10.004"), Decimal("7.50"), "pending", "in_1", ""),
        ("gpt", Decimal("30.01"), Decimal("22.51"), "pending", "in_1", ""),
        ("", 0, Decimal("-5.01"), "pending", "in_1", ""),
    ]
    now = get_balances(used)
    assert (now.free_balance, now.credit) == (ZERO, Decimal("0.009"))
    used_lines = CreditEntry.objects.filter(period=period)
    assert set(used_lines.values_list("kind", "amount", "by")) == {
        ("free_balance", Decimal("-10.004"), "Orgdesk"),
        ("credit", Decimal("-5.01"), "Orgdesk"),
    }


def test_free_balance_pays_nothing_after_the_trial(used: Organization) -> None:
    trial_ends_at = END - timedelta(seconds=1)
    Subscription.objects.filter(organization=used).update(trial_ends_at=trial_ends_at)
    grant_credit(used.id, kind="free_balance", amount=Decimal(100), **WHO)
    make_invoice(used)

    period = close()

    assert period is not None
    assert period.free_balance_used == 0
    assert get_balances(used).free_balance == 100


def test_usage_paid_by_free_balance_is_not_sent_to_stripe(used: Organization) -> None:
    Subscription.objects.filter(organization=used).update(trial_ends_at=END)
    grant_credit(used.id, kind="free_balance", amount=Decimal(100), **WHO)
    make_invoice(used)

    close()

    assert [(c[0], c[2], c[3]) for c in charges(used)] == [
        ("claude", 0, "done"),
        ("gpt", 0, "done"),
    ]
    assert get_balances(used).free_balance == Decimal("59.986")


def test_a_credit_is_never_more_than_the_usage(used: Organization) -> None:
    grant_credit(used.id, kind="credit", amount=Decimal(100), **WHO)
    make_invoice(used)

    close()

    assert sum(charge[2] for charge in charges(used)) == 0
    assert get_balances(used).credit == Decimal("59.99")


def test_charges_of_a_finalized_draft_wait_for_the_next_draft(
    acme: WhiteLabel, used: Organization
) -> None:
    make_invoice(used, status="open")
    period = close(period_ends_at=END - timedelta(days=1))
    record(acme, [event("e", quantities={"requests": 1})])
    assert period is not None
    assert period.number == 1
    assert {charge[3:] for charge in charges(used)} == {("pending", "", "no_draft")}
    assert BillingAccount.objects.get(organization=used).last_invoice_at is None

    make_invoice(used, "in_2")
    close("in_2")

    assert [charge[2:] for charge in charges(used)] == [
        (Decimal("10.00"), "pending", "in_2", ""),
        (Decimal("30.01"), "pending", "in_2", ""),
        (Decimal("3.00"), "pending", "in_2", ""),
    ]


def test_a_draft_in_another_currency_requires_a_person(used: Organization) -> None:
    make_invoice(used, currency="eur")

    close()

    assert {charge[3:] for charge in charges(used)} == {
        ("failed", "in_1", "currency_mismatch")
    }


def test_a_canceled_subscription_closes_its_last_period(used: Organization) -> None:
    rows = Subscription.objects.filter(organization=used)
    stripe_id = rows.get().stripe_id
    assert close_period_for_cancellation(stripe_id, ended_at=END) is None, "it is live"
    rows.update(status="canceled")

    period = close_period_for_cancellation(stripe_id, ended_at=END)

    assert close_period_for_cancellation(stripe_id, ended_at=END) is None
    assert period is not None
    assert (period.ends_at, period.cost) == (END, Decimal("40.014"))
    assert {charge[3:] for charge in charges(used)} == {("pending", "", "no_draft")}


@pytest.mark.parametrize(
    ("start", "ends"),
    [
        ("2026-01-31", ["2026-02-28", "2026-03-31", "2026-04-30"]),
        ("2024-02-29", ["2025-02-28", "2026-02-28"]),
    ],
)
def test_periods_tile_where_months_are_short(
    acme: WhiteLabel, start: str, ends: list[str]
) -> None:
    """The instants are Stripe's: anchors of the 31st, and of 29 February."""
    org = make_organization(acme, "org-31", contract_started_on=start)
    make_subscription(org)

    for number, day in enumerate(ends):
        make_invoice(org, f"in_{number}")
        at = datetime.fromisoformat(day).replace(tzinfo=UTC)
        assert close(f"in_{number}", period_ends_at=at) is not None

    periods = BillingPeriod.objects.filter(organization=org).order_by("number")
    assert [f"{p.starts_at:%Y-%m-%d}" for p in periods] == [start, *ends]
    ended = [p.ends_at for p in periods]
    assert ended == [p.starts_at for p in periods[1:]] + [None]


def test_too_many_products_are_charged_as_one_with_the_rest(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "0.5", product="p-000")
    for number in range(1, 205):
        make_rate(acme, f"{number}.01", product=f"p-{number:03}")
    names = [f"p-{number:03}" for number in range(205)]
    record(acme, [event(name, product=name) for name in names])
    make_subscription(org)
    make_invoice(org)

    period = close()

    assert period is not None
    rows = charges(org)
    assert len(rows) == 200
    rest = next(charge for charge in rows if charge[0] == OTHER_PRODUCTS)
    assert rest[1] == Decimal("77.75")  # 5 x 0.5, 5 x (1.01 + … + 5.01)
    assert sum(charge[1] for charge in rows) == period.cost
    whole = sum(charge[2] for charge in rows)
    assert whole == round(period.cost or Decimal(0), 2)


@pytest.mark.usefixtures("committed")
def test_concurrent_workers_recordings_and_grants_close_a_period_once() -> None:
    label = make_white_label()
    org = make_organization(label)
    make_rate(label, "3.001")
    make_subscription(org, trial_ends_at=END)
    make_invoice(org)
    record(label, [event("first")])

    def write(number: int) -> None:
        for n in range(6):
            record(label, [event(f"{number}-{n}")])

    def give() -> None:
        for _ in range(6):
            grant_credit(org.id, kind="free_balance", amount=Decimal(1), **WHO)

    together([*[lambda n=n: write(n) for n in range(3)], give, *[close] * 4])

    period = BillingPeriod.objects.get(organization=org, number=1)
    rows = Usage.objects.filter(period=1)
    assert period.cost == rows.aggregate(cost=Sum("cost"))["cost"]
    assert UsageEvent.objects.count() == 19
    assert Usage.objects.aggregate(sum=Sum("quantity")) == {"sum": 95}
    (charge,) = Charge.objects.all()
    assert charge.cost == period.cost
    rest = period.cost - period.free_balance_used
    assert charge.amount == round(rest, 2)
    assert get_balances(org).free_balance == 6 - period.free_balance_used
