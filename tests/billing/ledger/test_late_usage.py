"""Usage of a deleted organization that arrives late: billed until it is settled."""

from datetime import timedelta
from typing import Any

import pytest

from billing.ledger.commands.periods import close_period
from billing.ledger.queries.settlement import list_settled
from billing.models import (
    BillingAccount,
    BillingPeriod,
    Charge,
    Invoice,
    Subscription,
)
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, delete, event, make_rate, record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]


def report(white_label: WhiteLabel, id_: str) -> list[str]:
    result = record(white_label, [event(id_)])
    assert result.accepted + len(result.rejected) == 1
    return [rejection.code for rejection in result.rejected]


def make_invoice(organization: Organization, status: str) -> None:
    Invoice.objects.create(
        organization=organization,
        stripe_id="in_1",
        status=status,
        currency="usd",
        total=5,
        amount_due=5,
        issued_at=NOW,
    )


def make_charge(organization: Organization, **fields: Any) -> None:
    Charge.objects.create(
        period=BillingPeriod.objects.get(organization=organization, number=1),
        product="gpt",
        cost=5,
        amount=5,
        currency="usd",
        **fields,
    )


def make_subscription(organization: Organization, status: str) -> None:
    BillingAccount.objects.create(organization=organization, stripe_id="cus_1")
    Subscription.objects.create(
        organization=organization,
        stripe_id="sub_1",
        status=status,
        tier="growth",
        stripe_price_id="price_1",
    )


def test_late_usage_is_in_the_bill_of_the_deleted_organization(
    acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "2")
    delete(org)

    assert report(acme, "a") == []

    assert close_period(org.pk, ends_at=NOW).cost == 10


def test_late_usage_is_rejected_when_the_last_invoice_is_final(
    acme: WhiteLabel, org: Organization
) -> None:
    delete(org)
    close_period(org.pk, ends_at=NOW)
    make_subscription(org, "canceled")
    make_invoice(org, "open")

    assert list_settled([org.pk]) == [org.pk]
    assert report(acme, "a") == ["organization_deleted"]


def test_what_was_closed_before_the_deletion_settles_nothing(
    acme: WhiteLabel, org: Organization
) -> None:
    close_period(org.pk, ends_at=NOW - timedelta(days=1))
    delete(org)

    assert report(acme, "a") == []


@pytest.mark.parametrize("open_end", ["draft", "charge", "subscription"])
def test_late_usage_is_recorded_while_something_can_still_be_billed(
    acme: WhiteLabel, org: Organization, open_end: str
) -> None:
    delete(org)
    close_period(org.pk, ends_at=NOW)
    if open_end == "draft":
        make_invoice(org, "draft")
    elif open_end == "charge":
        make_charge(org)
    else:
        make_subscription(org, "active")

    assert list_settled([org.pk]) == []
    assert report(acme, "a") == []


def test_an_organization_that_is_not_deleted_is_never_settled(
    org: Organization,
) -> None:
    close_period(org.pk, ends_at=NOW)

    assert list_settled([org.pk]) == []
