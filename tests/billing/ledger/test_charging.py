"""Tests that each charge reaches its invoice once, whatever fails."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from billing import gateway
from billing.errors import NotFailed
from billing.gateway import calls
from billing.ledger.commands import charges as sending
from billing.ledger.commands.charges import retry_charge, send_charge, send_charges
from billing.ledger.commands.credits import refund_as_credit
from billing.ledger.queries.charges import list_charges, list_due_periods
from billing.models import (
    BillingAccount,
    BillingPeriod,
    Charge,
    ChargeLine,
)
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    make_white_label,
)
from tests.support.drafts import Draft
from tests.support.fake_stripe import FakeStripe
from tests.support.parallel import together

pytestmark = pytest.mark.django_db
ITEMS = "/v1/invoiceitems"


# 12.505 and 15.005: the remaining cent goes to the first by name.
BOTH = [("claude", Decimal("12.51")), ("gpt", Decimal("15.00"))]
DONE = [("claude", "done", ""), ("gpt", "done", "")]


@pytest.fixture
def hasty(fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the gateway from retrying calls that fail."""
    monkeypatch.setattr(calls, "DEADLINE_SECONDS", 0)


def test_a_closed_period_is_on_its_invoice(draft: Draft) -> None:
    period = draft.close()
    assert list_due_periods(10) == [period.id]

    send_charges(period.id)
    send_charges(period.id)

    assert draft.items() == BOTH
    assert draft.states() == DONE
    assert list_due_periods(10) == []
    posts = draft.fake.requests(ITEMS, "POST")
    assert len(posts) == 2
    assert len({post["idempotency_key"] for post in posts}) == 2
    invoice = gateway.get_invoice(draft.invoice.id)
    assert invoice.total == Decimal("29.00") + Decimal("27.51")
    line = next(line for line in invoice.lines if line.description == "gpt")
    charge = Charge.objects.get(product="gpt")
    assert line.metadata == {
        "orgdesk_charge": str(charge.id),
        "orgdesk_period": str(period.id),
        "orgdesk_product": "gpt",
    }
    assert line.period_ends_at == period.ends_at
    assert charge.stripe_id == line.invoice_item_id


def test_the_credit_is_charged_after_as_much_usage(draft: Draft) -> None:
    ann = {"note": "a bad day", "by": "ann"}
    refund_as_credit(draft.organization.id, amount=Decimal("13.009"), key="k", **ann)
    period = draft.close()
    credit = Charge.objects.get(kind="credit")

    send_charge(credit.id)
    send_charge(Charge.objects.get(product="claude").id)
    draft.pass_time(hours=0.1)
    send_charge(credit.id)
    assert draft.items() == BOTH[:1]

    send_charges(period.id)
    draft.pass_time(hours=0.1)
    send_charges(period.id)
    assert draft.items() == [("Credit", Decimal("-13.00")), *BOTH]
    assert gateway.get_invoice(draft.invoice.id).total == Decimal("43.51")


STEPS: list[tuple[Any, str]] = [
    (sending, "_claim"),  # before it
    (sending, "_create_item"),
    (sending, "_finish"),
    (gateway, "create_invoice_item"),
]


class Killed(BaseException):
    pass


def forget_answers(rows: QuerySet[Charge]) -> None:
    """Reset charges as if the worker died before it saved them, its lease over."""
    now = timezone.now()
    rows.update(
        state="pending",
        stripe_id=None,
        finished_at=None,
        next_attempt_at=now,
        lease=None,
        leased_until=None,
    )


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("where", "step"), STEPS)
def test_a_worker_killed_at_any_step_bills_once(
    draft: Draft, monkeypatch: pytest.MonkeyPatch, where: Any, step: str, after: bool
) -> None:
    period = draft.close()
    real = getattr(where, step)

    def killed(*args: Any, **options: Any) -> Any:
        if after:
            real(*args, **options)
        raise Killed

    monkeypatch.setattr(where, step, killed)
    with pytest.raises(Killed):
        send_charges(period.id)
    monkeypatch.setattr(where, step, real)
    send_charges(period.id)  # the lease of the killed worker is respected
    draft.pass_time(hours=0.06)
    send_charges(period.id)

    assert draft.items() == BOTH
    assert draft.states() == DONE


def test_a_worker_killed_while_closing_closes_nothing(
    draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr("billing.ledger.commands.invoicing._build_charges", killed)
    with pytest.raises(Killed):
        draft.close()
    monkeypatch.undo()

    assert BillingPeriod.objects.get(organization=draft.organization).cost is None
    assert not Charge.objects.exists()
    send_charges(draft.close().id)
    assert draft.items() == BOTH


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("fault", ["disconnect_after", "truncate", "error"])
def test_a_connection_cut_after_the_commit_bills_once(draft: Draft, fault: str) -> None:
    period = draft.close()
    draft.fake.fault(fault, f"{ITEMS}*", method="POST")

    send_charges(period.id)
    assert [state for _, state, _ in draft.states()] == ["pending", "pending"]
    send_charges(period.id)
    assert [state for _, state, _ in draft.states()] == ["pending", "done"]
    draft.pass_time(hours=0.01)
    send_charges(period.id)

    assert draft.items() == BOTH
    assert draft.states() == DONE


@pytest.mark.usefixtures("hasty")
def test_after_a_day_the_invoice_is_read_first(draft: Draft) -> None:
    draft.fake.client().v1.invoices.update(draft.invoice.id, {"auto_advance": False})
    period = draft.close()
    draft.fake.fault("disconnect_after", f"{ITEMS}*", method="POST")
    send_charges(period.id)
    send_charge(Charge.objects.get(product="gpt").id)
    forget_answers(Charge.objects.filter(product="gpt"))

    draft.pass_time(hours=25)  # Stripe's keys are forgotten
    send_charges(period.id)

    assert draft.items() == BOTH
    assert draft.states() == DONE
    assert len(draft.fake.requests(ITEMS, "POST")) == 2


@pytest.mark.usefixtures("hasty")
def test_an_error_stored_under_the_idempotency_key_is_overcome(draft: Draft) -> None:
    period = draft.close()
    draft.fake.fault("error_saved", f"{ITEMS}*", method="POST")

    for _ in range(8):
        send_charges(period.id)
        draft.clock.shift(timedelta(minutes=11))

    assert draft.items() == BOTH
    assert draft.states() == DONE


@pytest.mark.usefixtures("hasty")
def test_retries_slow_down_while_stripe_is_unavailable(
    draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Charge, "retries", replace(Charge.retries, attempts=8))
    period = draft.close()
    draft.fake.fault("error", ITEMS, method="POST", times=0, status=503)
    waits = []
    for _ in range(8):
        send_charges(period.id)
        first = Charge.objects.get(product="claude")
        waits.append(int((first.next_attempt_at - timezone.now()).total_seconds()))
        draft.clock.move_to(max(first.next_attempt_at, timezone.now()))

    assert waits[:7] == [20, 40, 80, 160, 320, 600, 600]
    assert draft.states()[0] == ("claude", "failed", "stripe.unavailable")


def test_a_charge_too_late_for_its_invoice_is_on_the_next(draft: Draft) -> None:
    period = draft.close()
    send_charge(Charge.objects.get(product="claude").id)
    first = draft.invoice.id
    draft.fake.client().v1.invoices.finalize_invoice(first)

    send_charges(period.id)
    assert draft.states() == [("claude", "done", ""), ("gpt", "pending", "no_draft")]
    assert list_due_periods(10) == []

    draft.wait(days=31)
    draft.close()
    send_charges(period.id)

    assert draft.items(first) == BOTH[:1]
    assert draft.items() == BOTH[1:]
    assert draft.states() == DONE


def test_a_charge_already_on_a_finalized_invoice_is_done(draft: Draft) -> None:
    period = draft.close()
    send_charges(period.id)
    draft.fake.client().v1.invoices.finalize_invoice(draft.invoice.id)
    rows = Charge.objects.filter(product="gpt")
    item = rows.get().stripe_id
    later = timezone.now() - timedelta(seconds=1)  # as if another series of tries
    rows.update(started_at=later)
    forget_answers(rows)

    send_charges(period.id)

    assert draft.states() == DONE
    assert rows.get().stripe_id == item
    assert draft.items() == BOTH


def test_charges_of_a_deleted_draft_move_to_the_next(draft: Draft) -> None:
    period = draft.close()
    draft.fake.control("remove", id=draft.invoice.id)

    send_charges(period.id)

    assert {state[1:] for state in draft.states()} == {("pending", "no_draft")}


def test_a_charge_that_stripe_refuses_waits_for_a_person(draft: Draft) -> None:
    period = draft.close()
    account = BillingAccount.objects.filter(organization=draft.organization)
    account.update(stripe_id=None)
    send_charges(period.id)
    assert {state[1:] for state in draft.states()} == {("failed", "no_customer")}
    assert list_due_periods(10) == []

    account.update(stripe_id="cus_of_somebody_else")
    for charge in Charge.objects.all():
        retry_charge(charge.id)
    send_charges(period.id)
    assert {state[1] for state in draft.states()} == {"failed"}
    assert not Charge.objects.filter(error="").exists()

    account.update(stripe_id=draft.customer_id)
    draft.pass_time(hours=0.01)
    for charge in Charge.objects.all():
        retry_charge(charge.id)
    send_charges(period.id)
    assert draft.items() == BOTH
    with pytest.raises(NotFailed):
        retry_charge(Charge.objects.all()[0].id)


@pytest.mark.usefixtures("committed")
def test_concurrent_workers_bill_once_and_hold_no_transaction(
    fake_stripe: FakeStripe,
    frozen: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draft = Draft(fake_stripe, frozen, make_white_label())
    draft.wait()
    ask: Callable[..., Any] = calls._request

    def watched(*args: Any) -> Any:
        assert not connection.in_atomic_block
        return ask(*args)

    monkeypatch.setattr(calls, "_request", watched)
    period = draft.close()

    together([lambda: send_charges(period.id)] * 4)

    assert draft.items() == BOTH
    assert draft.states() == DONE


def test_charges_of_organizations_are_independent(
    draft: Draft, acme: WhiteLabel, org: Organization
) -> None:
    other = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    closed = NOW - timedelta(days=1)
    decoy = BillingPeriod.objects.get(organization=other)
    BillingPeriod.objects.filter(pk=decoy.pk).update(
        ends_at=closed, closed_at=closed, cost=1
    )
    Charge.objects.create(
        period=decoy,
        product="gpt",
        cost=1,
        amount=1,
        currency="usd",
        invoice_stripe_id="in_other",
    )
    send_charges(draft.close().id)

    assert list_due_periods(10) == [decoy.id]
    assert list_charges(org.id) == []
    assert Charge.objects.get(period=decoy).attempts == 0


def test_a_line_is_as_it_was_when_stripe_was_asked(
    draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    period, asked_at = draft.close(), timezone.now()
    ask: Callable[..., Any] = calls._request

    def slow(*args: Any) -> Any:
        answer = ask(*args)
        draft.clock.shift(timedelta(seconds=5))
        return answer

    monkeypatch.setattr(calls, "_request", slow)
    send_charges(period.id)

    line = ChargeLine.objects.earliest("read_at")
    assert line.read_at == asked_at
