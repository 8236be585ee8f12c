"""Tests of the credit ledger: entries are appended, no balance goes below 0."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.errors import BalanceTooLow, InvalidAmount
from billing.ledger.commands.credits import grant_credit, take_back_credit
from billing.ledger.queries.credits import get_balances, list_credits, preview_credit
from billing.models import BillingAccount, CreditEntry, Subscription
from billing.money import ZERO
from orgs.errors import DomainError
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    event,
    make_organization,
    make_rate,
    make_user,
    make_white_label,
    record,
)
from tests.support.parallel import together

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
CREDIT, FREE = CreditEntry.Kind.CREDIT, CreditEntry.Kind.FREE_BALANCE
WHO: dict[str, Any] = {"note": "a bad day", "by": "ann"}


def decoy() -> Organization:
    return Organization.objects.get(white_label__slug="decoy", external_id="org-7")


def make_subscription(organization: Organization, **fields: object) -> Subscription:
    return Subscription.objects.create(
        organization=organization,
        **{
            "stripe_id": f"sub_{organization.id}",
            "status": "active",
            "tier": "growth",
            "stripe_price_id": "price_1",
            **fields,
        },
    )


def test_granted_and_taken_back_amounts_are_in_the_ledger(org: Organization) -> None:
    grant_credit(decoy().id, kind=CREDIT, amount=Decimal(1000), **WHO)
    grant_credit(org.id, kind=CREDIT, amount=Decimal("12.34"), **WHO)
    grant_credit(org.id, kind=FREE, amount=Decimal(7), note="  hello ", by="")
    take_back_credit(org.id, kind=CREDIT, amount=Decimal("2.3"), note="oops", by="bob")

    now = get_balances(org)
    assert (now.credit, now.free_balance) == (
        Decimal("10.04"),
        Decimal(7),
    )
    assert [
        (line.kind, line.amount, line.note, line.by) for line in list_credits(org.id)
    ] == [
        ("credit", Decimal("-2.3"), "oops", "bob"),
        ("free_balance", 7, "hello", "Orgdesk"),
        ("credit", Decimal("12.34"), "a bad day", "ann"),
    ]
    assert BillingAccount.objects.get(organization=org).free_balance == 7


def test_a_balance_set_in_the_admin_is_in_the_ledger(
    org: Organization, client: Client
) -> None:
    operator = make_user("op", "operator")
    client.force_login(operator)
    add = reverse("admin:billing_billingaccount_add")
    url = reverse("admin:billing_billingaccount_change", args=[org.id])

    def save(url: str, balance: str, **more: object) -> None:
        form = client.get(url).context["adminform"].form
        proof = form["before"].value() if "before" in form.fields else ""
        given = {"free_balance": balance, "before": proof, **more}
        assert client.post(url, given).status_code == 302

    BillingAccount.objects.filter(organization=org).delete()
    save(add, "20", organization=org.id)
    grant_credit(org.id, kind=FREE, amount=Decimal(5), **WHO)
    save(url, "12.5")
    save(url, "12.5", last_invoice_at_0="2026-11-01", last_invoice_at_1="00:00")

    assert [
        (line.kind, line.amount, line.note, line.by) for line in list_credits(org.id)
    ] == [
        ("free_balance", Decimal("-12.5"), "Set in the admin.", "op"),
        ("free_balance", 5, "a bad day", "ann"),
        ("free_balance", 20, "Set in the admin.", "op"),
    ]
    account = BillingAccount.objects.get(organization=org)
    assert account.free_balance == Decimal("12.5")
    assert account.last_invoice_at is None


@pytest.mark.parametrize("kind", [CREDIT, FREE])
def test_no_balance_goes_below_zero(org: Organization, kind: str) -> None:
    grant_credit(decoy().id, kind=kind, amount=Decimal(1000), **WHO)
    grant_credit(org.id, kind=kind, amount=Decimal(5), **WHO)

    with pytest.raises(BalanceTooLow):
        take_back_credit(org.id, kind=kind, amount=Decimal("5.01"), **WHO)
    take_back_credit(org.id, kind=kind, amount=Decimal(5), **WHO)

    assert get_balances(org).get(kind) == 0
    assert CreditEntry.objects.filter(organization=org).count() == 2


@pytest.mark.parametrize(
    "amount", ["0", "-1", "1e12", "NaN", "Infinity", "0.0000000000001", "5.009"]
)
def test_an_invalid_amount_is_refused(org: Organization, amount: str) -> None:
    for change in (grant_credit, take_back_credit):
        with pytest.raises(InvalidAmount) as refused:
            change(org.id, kind=CREDIT, amount=Decimal(amount), **WHO)
        assert refused.value.fields == ("amount",)
    assert not CreditEntry.objects.exists()


def test_a_balance_has_a_size(org: Organization) -> None:
    most = Decimal("999999999999.99")
    grant_credit(org.id, kind=FREE, amount=most, **WHO)

    with pytest.raises(InvalidAmount):
        grant_credit(org.id, kind=FREE, amount=Decimal("0.01"), **WHO)
    assert get_balances(org).free_balance == most


@pytest.mark.parametrize(
    ("kind", "note", "field"), [("gift", "why", "kind"), ("credit", "  ", "note")]
)
def test_a_kind_and_a_reason_are_required(
    org: Organization, kind: str, note: str, field: str
) -> None:
    with pytest.raises(DomainError) as refused:
        grant_credit(org.id, kind=kind, amount=Decimal(1), note=note, by="ann")
    assert refused.value.fields == (field,)


def test_a_preview_shows_the_new_cost_of_the_open_period(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "1.001")
    make_rate(acme, "100", product="other")
    record(acme, [event("a", quantities={"requests": 30})])
    make_subscription(org, status="trialing")
    grant_credit(org.id, kind=FREE, amount=Decimal(10), **WHO)

    credit = preview_credit(org, kind=CREDIT, amount=Decimal("4.999"))
    assert (credit.before.cost, credit.before.total) == (
        Decimal("30.03"),
        Decimal("20.03"),
    )
    assert (credit.after.credit_used, credit.after.total) == (
        Decimal("4.99"),
        Decimal("15.04"),
    )
    free = preview_credit(org, kind=FREE, amount=Decimal(50))
    assert (free.after.free_balance_used, free.after.total) == (
        Decimal("30.03"),
        ZERO,
    )
    back = preview_credit(org, kind=FREE, amount=Decimal(-11))
    assert not back.is_allowed
    assert back.after == back.before
    assert CreditEntry.objects.count() == 1


def test_outside_the_trial_free_balance_pays_nothing(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "1")
    record(acme, [event("a")])
    make_subscription(org, status="trialing", trial_ends_at=NOW)

    free = preview_credit(org, kind=FREE, amount=Decimal(50))

    assert {free.before.total, free.after.total} == {Decimal(5)}


@pytest.mark.usefixtures("committed")
def test_concurrent_deductions_take_no_more_than_the_balance() -> None:
    org = make_organization(make_white_label())
    grant_credit(org.id, kind=CREDIT, amount=Decimal(5), **WHO)

    def take() -> bool:
        try:
            take_back_credit(org.id, kind=CREDIT, amount=Decimal(3), **WHO)
        except BalanceTooLow:
            return False
        return True

    assert sorted(together([take] * 8)) == [False] * 7 + [True]
    assert get_balances(org).credit == 2
