"""Tests of the reconciliation of events, daily usage, period and invoice."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.ledger.commands.charges import send_charges
from billing.ledger.commands.credits import grant_credit, refund_as_credit
from billing.ledger.commands.voids import void_usage
from billing.ledger.queries.reconciliation import (
    Cause,
    Reconciliation,
    list_periods,
    reconcile_period,
)
from billing.models import (
    BillingAccount,
    BillingPeriod,
    Charge,
    ChargeLine,
    Invoice,
    Subscription,
)
from billing.money import ZERO, exactly
from metrics.commands.roll_up import roll_up_usage
from metrics.commands.voids import void_correction
from metrics.models import DailyUsage
from metrics.queries.voids import UsageRange
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, event, make_rate, record
from tests.support.corrections import APPLY, make_varied, run
from tests.support.drafts import Draft

pytestmark = pytest.mark.django_db
WHO: dict[str, Any] = {"note": "why not", "by": "ann"}


def steps(result: Reconciliation) -> list[tuple[str, Any, Any, list[Cause]]]:
    return [
        (
            one.label,
            one.amount,
            one.difference,
            [reason.cause for reason in one.reasons],
        )
        for one in result.steps
    ]


def reasons(result: Reconciliation) -> dict[str, dict[Cause, Decimal]]:
    return {
        row.product: {reason.cause: reason.amount for reason in row.reasons}
        for row in result.rows
    }


def test_every_step_to_the_invoice_is_explained(draft: Draft) -> None:
    org = draft.organization
    ends_at = draft.invoice.ends_at
    Subscription.objects.filter(organization=org).update(trial_ends_at=ends_at)
    grant_credit(org.id, kind="free_balance", amount=Decimal("7.51"), **WHO)
    refund_as_credit(org.id, amount=Decimal("5.009"), key="k", **WHO)
    period = draft.close()
    send_charges(period.id)

    result = reconcile_period(org, 1)

    assert steps(result) == [
        ("Events", Decimal("27.51"), 0, []),
        ("Daily usage", Decimal("27.51"), 0, []),
        ("Period", Decimal("27.51"), 0, []),
        ("After free balance", 20, Decimal("-7.51"), [Cause.FREE_BALANCE]),
        ("Charged for usage", 20, 0, []),
        ("After credits", 15, -5, [Cause.CREDIT]),
        ("On invoices", 15, 0, []),
    ]
    assert result.is_reconciled
    assert result.invoice is not None
    assert result.invoice.stripe_id == draft.invoice.id
    claude, gpt, credit = result.rows
    # 12.505 / 27.51 of 7.51, and of 20 that is 9.0912…
    assert (claude.events, claude.daily, claude.charged, claude.on_invoice) == (
        Decimal("12.505"),
        Decimal("12.505"),
        Decimal("9.09"),
        Decimal("9.09"),
    )
    assert reasons(result)["claude"] == {
        Cause.FREE_BALANCE: Decimal("-3.413760450745"),
        Cause.ROUNDING: Decimal("-0.001239549255"),
    }
    assert gpt.charged == Decimal("10.91")
    assert credit.charged == -5
    for row in result.rows:
        moved = sum(reason.amount for reason in row.reasons)
        assert row.daily + moved == row.on_invoice


def test_charges_that_are_not_on_an_invoice_have_a_cause(draft: Draft) -> None:
    period = draft.close()
    BillingAccount.objects.update(stripe_id=None)
    send_charges(period.id)
    Charge.objects.filter(product="claude").update(
        state="pending", finished_at=None, invoice_stripe_id=""
    )

    result = reconcile_period(draft.organization, 1)

    assert steps(result)[-1] == (
        "On invoices",
        0,
        Decimal("-27.51"),
        [Cause.AWAITING_DRAFT, Cause.FAILED],
    )
    assert not result.is_reconciled
    claude, gpt = result.rows
    assert (claude.is_problem, gpt.is_problem) == (False, True)
    assert gpt.reasons[-1].detail == "No Stripe customer is linked."


def test_late_voided_re_rated_and_credited_usage_is_shown(
    draft: Draft, acme: WhiteLabel
) -> None:
    org = draft.organization
    fields = {"organization": "org-1", "quantities": {"requests": 1}}
    period = draft.close()
    send_charges(period.id)
    record(acme, [event("late", **fields), event("wrong", **fields)])
    make_rate(acme, "4")
    rerate = ("rerate", "--organization", "org-1", "--period", "open", *APPLY)
    run(*rerate)
    start = NOW - timedelta(days=2)
    wrong = UsageRange(org, start, NOW, event_id="wrong")
    void_usage(wrong, correction=void_correction(**WHO))
    billed = UsageRange(org, start, NOW, event_id="b")
    void_usage(billed, correction=void_correction(**WHO), as_credit=True)

    first, second = reconcile_period(org, 1), reconcile_period(org, 2)

    assert first.is_reconciled
    assert reasons(first)["claude"][Cause.CREDITED] == Decimal("12.505")
    assert second.is_reconciled
    assert reasons(second) == {"gpt": {Cause.LATE: 4, Cause.VOIDED: 4}}
    assert steps(second) == [("Events", 4, 0, []), ("Daily usage", 4, 0, [])]
    (rerated,) = second.rerates
    assert [rerated.old_cost, rerated.new_cost] == [Decimal("6.002"), Decimal(8)]
    assert (rerated.by, rerated.note) == ("ann", "why not")


def test_damage_is_located(draft: Draft) -> None:
    period = draft.close()
    send_charges(period.id)
    roll_up_usage()
    rows = DailyUsage.objects.filter(organization_id=draft.organization.id)
    rows.filter(product="gpt").update(cost=Decimal("16.005"))
    rows.filter(product="claude").delete()

    result = reconcile_period(draft.organization, 1)

    assert steps(result)[:3] == [
        ("Events", Decimal("27.51"), 0, []),
        ("Daily usage", Decimal("16.005"), Decimal("-11.505"), [Cause.DAYS_DIFFER]),
        ("Period", Decimal("27.51"), Decimal("11.505"), [Cause.CHANGED]),
    ]
    assert not result.is_reconciled
    assert reasons(result)["gpt"] == {
        Cause.DAYS_DIFFER: 1,
        Cause.CHANGED: -1,
        Cause.ROUNDING: Decimal("-0.005"),
    }
    Charge.objects.filter(product="gpt").update(amount=14)
    charged = steps(reconcile_period(draft.organization, 1))[4]
    assert charged[2:] == (-1, [Cause.NOT_ADDED_UP])


def test_dropped_months_and_uncharged_periods_are_reconciled(
    acme: WhiteLabel, org: Organization, frozen: time_machine.Traveller
) -> None:
    make_rate(acme, "3")
    record(acme, [event("a", timestamp="2026-09-20T11:00:00Z")])
    closed = {"ends_at": NOW, "closed_at": NOW, "cost": 15}
    BillingPeriod.objects.filter(organization=org).update(**closed)
    with connection.cursor() as cursor:
        cursor.execute("drop table metrics_usageevent_2026_09")

    result = reconcile_period(org, 1)

    assert steps(result) == [
        ("Events", None, 0, []),
        ("Daily usage", 15, 0, [Cause.EVENTS_DROPPED]),
        ("Period", 15, 0, []),
        ("On invoices", 0, -15, [Cause.NOT_CHARGED]),
    ]
    assert result.is_reconciled
    assert result.rows[0].events is None


def test_cheap_products_are_found_in_their_line(
    draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.ledger.commands.invoicing.MAX_LINES", 1)
    send_charges(draft.close().id)

    result = reconcile_period(draft.organization, 1)

    assert result.is_reconciled
    assert reasons(result) == {
        "claude": {Cause.MERGED: Decimal("-12.505")},
        "gpt": {Cause.MERGED: Decimal("-15.005")},
        "[other]": {Cause.MERGED: Decimal("27.51")},
    }
    assert [description for description, _ in draft.items()] == ["Other products"]


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize("seed", range(3))
def test_any_recorded_usage_is_reconciled(seed: int) -> None:
    label = make_varied(seed)
    for org in Organization.objects.filter(white_label=label):
        for period in list_periods(org.id):
            result = reconcile_period(org, period.number)
            assert result.is_reconciled
            with exactly():
                daily = sum((row.daily for row in result.rows), ZERO)
            assert daily == result.steps[0].amount == result.steps[1].amount


def test_the_number_of_queries_does_not_depend_on_the_usage(
    draft: Draft, acme: WhiteLabel
) -> None:
    def count_queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as context:
            reconcile_period(draft.organization, 1)
        return len(context)

    draft.close()
    queries = count_queries()
    names = [f"p-{number}" for number in range(30)]
    record(acme, [event(name, organization="org-1", product=name) for name in names])

    assert queries == count_queries() == 11
    assert timezone.now() > NOW


def test_voided_and_missing_invoices_are_shown(draft: Draft) -> None:
    period = draft.close()
    send_charges(period.id)
    invoice = Invoice.objects.get(stripe_id=draft.invoice.id)
    Invoice.objects.update(status="void")

    result = reconcile_period(draft.organization, 1)
    invoice.delete()
    assert reconcile_period(draft.organization, 1).is_reconciled, "not mirrored yet"
    ChargeLine.objects.all().delete()
    without_invoice = reconcile_period(draft.organization, 1)

    assert steps(result)[-1] == (
        "On invoices",
        0,
        Decimal("-27.51"),
        [Cause.INVOICE_VOIDED, Cause.INVOICE_VOIDED],
    )
    assert not result.is_reconciled
    assert steps(without_invoice)[-1][3] == [
        Cause.INVOICE_MISSING,
        Cause.INVOICE_MISSING,
    ]
    assert not without_invoice.is_reconciled
    assert without_invoice.invoice is None
