"""Tests of a subscription from trial to cancellation, with webhooks in any order."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from billing import gateway
from billing.ledger import tasks as ledger_tasks
from billing.ledger.commands import usage_invoices
from billing.ledger.commands.charges import retry_charge
from billing.ledger.commands.credits import grant_credit
from billing.ledger.queries.charges import (
    list_organizations_without_draft,
)
from billing.ledger.queries.credits import get_balances
from billing.models import BillingAccount, BillingPeriod, Charge
from billing.stripe.queries.failed_jobs import list_failed_jobs
from orgs.models import WhiteLabel
from tests.factories import make_organization
from tests.support.fake_stripe import FakeStripe
from tests.support.years import Year, make_year

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
WHO: dict[str, Any] = {"note": "why not", "by": "ann"}


@pytest.fixture
def year(
    fake_stripe: FakeStripe, frozen: time_machine.Traveller, acme: WhiteLabel
) -> Year:
    return make_year(fake_stripe, frozen, acme)


def test_trial_months_pause_and_end(year: Year) -> None:
    org = year.organization
    ends_at = int((timezone.now() + timedelta(days=14)).timestamp())
    year.subscribe(trial_end=ends_at)
    grant_credit(org.id, kind="free_balance", amount=Decimal(6), **WHO)
    year.wait(hours=1)
    year.use_now(10)
    year.bill()
    grant_credit(org.id, kind="free_balance", amount=Decimal(50), **WHO)
    grant_credit(org.id, kind="credit", amount=Decimal(3), **WHO)
    year.use(7)
    year.bill()
    year.bill()  # a month without usage

    gateway.pause_subscription(year.subscription_id, reason="moving", key="p")
    year.deliver_events()
    year.use(11)
    year.bill()
    gateway.resume_subscription(year.subscription_id, key="r")
    year.deliver_events()
    year.use(1)
    year.bill()

    year.use(5)
    year.fake.client().v1.subscriptions.cancel(year.subscription_id)
    year.deliver_events()
    assert list_organizations_without_draft(10) == [org.id]
    ledger_tasks.make_usage_invoice(org.id)
    ledger_tasks.make_usage_invoice(org.id)
    year.deliver_events()
    year.wait(hours=2)

    assert year.billed() == [
        ("paid", []),
        ("paid", [Decimal("4.01")]),  # 10.01, of which 6 were free
        ("paid", [Decimal("-3.00"), Decimal("7.01")]),
        ("paid", []),
        ("void", []),
        ("paid", [Decimal("12.01")]),  # the whole pause, in the same period
        ("paid", [Decimal("5.00")]),  # 5.005, to even
    ]
    assert not Charge.objects.exclude(state="done").exists()
    assert list_organizations_without_draft(10) == []
    assert get_balances(org).credit == 0
    assert year.is_reconciled()


def test_a_year_is_billed_when_stripe_bills_it(year: Year) -> None:
    WhiteLabel.objects.update(bills_usage_monthly=False)
    year.subscribe(interval="year")
    for _ in range(3):
        year.use(4)
        year.wait(days=100)
    assert [items for _, items in year.billed()] == [[]]

    year.bill()

    assert year.billed() == [("paid", []), ("paid", [Decimal("12.01")])]
    assert year.is_reconciled()


def test_months_of_the_31st_tile(year: Year) -> None:
    year.wait(days=10)  # 1 December
    year.wait(days=30)  # 31 December, noon
    year.subscribe()
    for _ in range(4):
        year.use(1)
        year.bill()
    periods = BillingPeriod.objects.filter(organization=year.organization)

    ends = [p.ends_at for p in periods.order_by("number") if p.ends_at]
    assert [f"{end:%m-%d %H:%M}" for end in ends] == [
        "01-31 12:00",
        "02-28 12:00",
        "03-31 12:00",
        "04-30 12:00",
    ]
    assert [items for _, items in year.billed()][1:] == [[Decimal("1.00")]] * 4
    assert year.is_reconciled()


def test_the_final_invoice_is_created_once_wherever_it_is_killed(
    year: Year, monkeypatch: pytest.MonkeyPatch
) -> None:
    year.subscribe()
    year.use(5)
    year.fake.client().v1.subscriptions.cancel(year.subscription_id)
    year.deliver_events()

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(usage_invoices, "assign_draft", killed)
    with pytest.raises(KeyboardInterrupt):
        ledger_tasks.make_usage_invoice(year.organization.id)
    monkeypatch.undo()
    year.fake.fault("disconnect_after", "/v1/invoices", method="POST")
    ledger_tasks.make_usage_invoice(year.organization.id)
    year.deliver_events()

    assert year.billed() == [("paid", []), ("draft", [Decimal("5.00")])]


def test_a_live_subscription_gets_no_final_invoice(year: Year) -> None:
    year.subscribe()
    year.use(5)
    year.wait(days=31)
    Charge.objects.update(
        state="pending", stripe_id=None, finished_at=None, invoice_stripe_id=""
    )

    assert list_organizations_without_draft(10) == []
    assert usage_invoices.make_usage_invoice(year.organization.id) is None


def end(year: Year) -> None:
    """Cancel the subscription: charges of $5.00 wait for a usage invoice."""
    year.subscribe()
    year.use(5)
    year.fake.client().v1.subscriptions.cancel(year.subscription_id)
    year.deliver_events()


def test_a_final_invoice_is_retried_by_the_sweep(year: Year) -> None:
    end(year)
    other = make_organization(year.label, "org-2")
    BillingAccount.objects.create(organization=other, stripe_id="cus_2")
    period = other.billing_periods.get()
    Charge.objects.create(
        period=period, cost=1, amount=1, currency="usd", error_code="no_draft"
    )
    year.fake.fault("error", "/v1/invoices", method="POST", status=500, times=0)

    ledger_tasks.make_usage_invoice(year.organization.id)
    charge = Charge.objects.get(period__organization=year.organization)
    assert (charge.state, charge.attempts) == ("pending", 1)
    assert charge.error_code == "stripe.unavailable"
    assert list_organizations_without_draft(10) == [other.pk]

    year.clock.shift(timedelta(minutes=1))
    assert list_organizations_without_draft(10) == [other.pk, year.organization.id]
    year.fake.control("script", api=[])
    ledger_tasks.make_usage_invoice(year.organization.id)
    year.work()

    assert list_organizations_without_draft(10) == [other.pk]
    assert year.billed() == [("paid", []), ("draft", [Decimal("5.00")])]


def test_a_final_invoice_does_not_repeat_a_saved_error_forever(year: Year) -> None:
    end(year)
    year.fake.fault("error_saved", "/v1/invoices", method="POST", times=1)

    for _ in range(6):
        ledger_tasks.make_usage_invoice(year.organization.id)

    year.work()
    assert year.billed() == [("paid", []), ("draft", [Decimal("5.00")])]


def test_a_refused_final_invoice_fails_its_charges(year: Year) -> None:
    end(year)
    year.fake.fault("error", "/v1/invoices", method="POST", status=402)

    ledger_tasks.make_usage_invoice(year.organization.id)

    charge = Charge.objects.get()
    assert (charge.state, charge.invoice_stripe_id) == ("failed", "")
    assert charge.error_code
    assert charge.error
    assert list_organizations_without_draft(10) == []
    [failed] = list_failed_jobs([year.label])
    assert (failed.kind, failed.id) == ("charge", charge.pk)

    retry_charge(charge.pk)
    assert list_organizations_without_draft(10) == [year.organization.id]
    ledger_tasks.make_usage_invoice(year.organization.id)
    year.work()
    assert year.billed() == [("paid", []), ("draft", [Decimal("5.00")])]
