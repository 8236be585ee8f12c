"""Discrepancies: found, seen again and resolved; warnings that need a person."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from billing.models import BillingAccount, Discrepancy, Invoice, Subscription
from billing.stripe import tasks
from billing.stripe.commands import resolution
from billing.stripe.commands.mirror.refetches import refetch_subscription
from billing.stripe.queries.discrepancies import (
    get_discrepancy,
    list_discrepancies,
    list_organization_discrepancies,
    list_run_discrepancies,
)
from orgs.errors import Conflict
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, make_organization
from tests.support.fake_stripe import FakeStripe, make_customer, make_price
from tests.support.snapshots import snapshot
from tests.support.stripe_mirror import customer_of, history, run_sync, subscribe

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("frozen")]


@pytest.fixture
def fake(fake_stripe: FakeStripe) -> Iterator[FakeStripe]:
    """Fake Stripe whose faults end with the test."""
    yield fake_stripe
    fake_stripe.control("script", api=[])


@pytest.fixture
@snapshot
def price(fake: FakeStripe) -> str:
    """Id of a monthly price."""
    return make_price(fake, 2900).id


@pytest.fixture
@snapshot
def sub(fake: FakeStripe, acme: WhiteLabel, org: Organization, price: str) -> str:
    """Id of the mirrored subscription of org-7; the decoy has one, too."""
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    subscription_id = subscribe(fake, customer_of(fake, org), price)
    subscribe(fake, customer_of(fake, decoy), price)
    run_sync(acme)
    run_sync(decoy.white_label)
    return subscription_id


def recorded(*, resolved: bool = False) -> list[tuple[str, str, str]]:
    """Return the kind and both values of the open or resolved discrepancies."""
    rows = Discrepancy.objects.filter(resolved_at__isnull=not resolved).order_by("kind")
    return list(rows.values_list("kind", "orgdesk_value", "stripe_value"))


@pytest.mark.parametrize(
    "change",
    [
        ({"tier": "free"}, "tier", "free", "growth"),
        (
            {"stripe_price_id": "price_old"},
            "price",
            "price_old · monthly · platform",
            "",
        ),
        ({"status": "past_due"}, "status", "past_due", "active"),
        (
            {"period_ends_at": NOW + timedelta(days=7)},
            "period",
            "2026-11-21 12:00 UTC · 2026-11-28 12:00 UTC",
            "2026-11-21 12:00 UTC · 2026-12-21 12:00 UTC",
        ),
    ],
)
def test_each_part_of_a_subscription_is_compared(
    acme: WhiteLabel,
    sub: str,
    price: str,
    change: tuple[dict[str, object], str, str, str],
) -> None:
    columns, kind, orgdesk_value, stripe_value = change
    Subscription.objects.filter(stripe_id=sub).update(**columns)

    run = run_sync(acme, repairs=False)

    stripe_value = stripe_value or f"{price} · monthly · platform"
    assert recorded() == [(kind, orgdesk_value, stripe_value)]
    row = list_discrepancies([acme])[0]
    assert row.can_resolve
    assert (row.orgdesk_read_at, row.stripe_read_at) == (NOW, NOW)
    assert list_run_discrepancies(run.pk) == [row]
    assert (run.discrepancy_count, run.written) == (1, 0)


def test_seats_are_compared(
    fake: FakeStripe, acme: WhiteLabel, org: Organization
) -> None:
    spaces = make_price(fake, 700, kind="spaces", tier="team").id
    subscribe(fake, customer_of(fake, org), spaces, quantity=11)
    run_sync(acme)
    Subscription.objects.update(seats=5)

    run_sync(acme)

    assert recorded(resolved=True) == [("seats", "5", "11")]
    assert Subscription.objects.get().seats == 11


def test_amounts_are_compared(acme: WhiteLabel, sub: str) -> None:
    Invoice.objects.filter(organization__white_label=acme).update(
        total=Decimal(7), amount_paid=0, status="open", paid_at=None
    )

    run_sync(acme)

    assert recorded(resolved=True) == [
        (
            "amount",
            "7.00 usd, 0.00 paid, 0.00 remaining",
            "29.00 usd, 29.00 paid, 0.00 remaining",
        ),
        ("status", "open, attempts: 1", "paid 2026-11-21 12:00 UTC"),
    ]


def test_object_that_orgdesk_lacks_is_missing(
    fake: FakeStripe, acme: WhiteLabel, sub: str, price: str
) -> None:
    late = make_organization(acme, "late")
    subscribe(fake, customer_of(fake, late), price)

    run_sync(acme)

    assert [kind for kind, *_ in recorded(resolved=True)] == [
        "customer",
        "missing",
        "missing",
    ]
    assert Subscription.objects.filter(organization=late).exists()


def test_open_discrepancy_is_one_row(acme: WhiteLabel, sub: str) -> None:
    Subscription.objects.filter(stripe_id=sub).update(tier="free")
    run_sync(acme, repairs=False)
    with time_machine.travel(NOW + timedelta(days=1), tick=False):
        run_sync(acme, repairs=False)
        row = list_discrepancies([acme])[0]

    assert row.first_seen_at == NOW
    assert row.last_seen_at == NOW + timedelta(days=1)
    assert Discrepancy.objects.count() == 1


def test_one_discrepancy_is_resolved_by_its_button(
    acme: WhiteLabel, org: Organization, sub: str
) -> None:
    Subscription.objects.filter(stripe_id=sub).update(tier="free", status="past_due")
    Invoice.objects.filter(organization=org).update(total=7)
    run_sync(acme, repairs=False)
    tier = Discrepancy.objects.get(kind="tier")

    tasks.resolve_discrepancy(tier.pk, "ann")
    before = history()
    tasks.resolve_discrepancy(tier.pk, "bob")

    tier.refresh_from_db()
    assert (tier.resolved_by, tier.resolved_at) == ("ann", NOW)
    assert [kind for kind, *_ in recorded()] == ["amount"]
    assert Subscription.objects.get(stripe_id=sub).tier == "growth"
    assert history() == before
    assert len(list_organization_discrepancies(org.pk, resolved=True)) == 2


def test_all_discrepancies_are_resolved_by_one_run(
    acme: WhiteLabel, org: Organization, sub: str
) -> None:
    Subscription.objects.update(tier="free")
    run_sync(acme, repairs=False)

    run = resolution.resolve_all(acme, by="ann")
    tasks.run_sync(run.pk)

    assert recorded() == []
    tiers = Subscription.objects.order_by("organization__white_label__slug")
    assert list(tiers.values_list("tier", flat=True)) == ["growth", "free"]


def test_webhook_resolves_a_discrepancy(acme: WhiteLabel, sub: str) -> None:
    Subscription.objects.filter(stripe_id=sub).update(tier="free")
    run_sync(acme, repairs=False)

    refetch_subscription(sub, by="evt_1")

    assert Discrepancy.objects.get().resolved_by == "evt_1"


def test_subscription_missing_in_stripe_is_canceled(
    fake: FakeStripe, acme: WhiteLabel, sub: str
) -> None:
    fake.control("remove", id=sub)

    run_sync(acme)

    assert recorded(resolved=True) == [("status", "active", "not in Stripe")]
    assert Subscription.objects.get(stripe_id=sub).status == "canceled"


def test_key_of_another_account_cancels_nothing(
    fake: FakeStripe, acme: WhiteLabel, sub: str
) -> None:
    """The other account is empty: customers get warnings."""
    fake.reset()

    run = run_sync(acme)

    assert run.written == 0
    assert [kind for kind, *_ in recorded()] == ["no_customer"]
    assert Subscription.objects.get(stripe_id=sub).status == "active"


def test_unknown_price_is_a_warning_until_it_is_known(
    fake: FakeStripe, acme: WhiteLabel, sub: str
) -> None:
    """A product that gets a known kind lets its subscriptions be mirrored."""
    unknown = make_price(fake, 100, kind="hats", tier="odd")
    item = fake.client().v1.subscriptions.retrieve(sub).items.data[0].id
    change: Any = {"items": [{"id": item, "price": unknown.id}]}
    fake.client().v1.subscriptions.update(sub, change)
    customer = customer_of(fake, make_organization(acme, "other"))
    other = subscribe(fake, customer, unknown.id)

    run_sync(acme)

    warnings = Discrepancy.objects.filter(kind="unknown_price", resolved_at=None)
    assert set(warnings.values_list("stripe_id", "orgdesk_value", "stripe_value")) == {
        (sub, "growth", f"{unknown.id} (Odd)"),
        (other, "", f"{unknown.id} (Odd)"),
    }
    assert Subscription.objects.get(stripe_id=sub).tier == "growth"
    assert not Subscription.objects.filter(stripe_id=other).exists()
    with pytest.raises(Conflict, match="cannot be resolved automatically"):
        resolution.resolve(warnings[0].pk, by="ann")

    known: Any = {"metadata": {"orgdesk_kind": "platform"}}
    fake.client().v1.products.update(str(unknown.product), known)
    run_sync(acme)

    assert recorded() == []
    rows = Subscription.objects.filter(white_label=acme)
    assert dict(rows.values_list("stripe_id", "tier")) == {sub: "odd", other: "odd"}


def test_newest_active_one_of_duplicate_subscriptions_is_used(
    fake: FakeStripe, acme: WhiteLabel, org: Organization, sub: str
) -> None:
    customer = BillingAccount.objects.get(organization=org).stripe_id or ""
    fake.advance(hours=1)
    newer = subscribe(fake, customer, make_price(fake, 9900, tier="scale").id)

    refetch_subscription(newer)
    run_sync(acme)

    assert recorded() == [("two_live", f"{newer} is used", f"{sub} is active")]
    live = Subscription.objects.get(organization=org)
    assert (live.stripe_id, live.tier) == (newer, "scale")
    before = history()
    assert run_sync(acme).written == 0
    assert history() == before

    fake.client().v1.subscriptions.cancel(newer)
    refetch_subscription(newer)
    refetch_subscription(sub)
    run_sync(acme)

    assert recorded() == []
    rows = Subscription.objects.filter(organization=org).order_by("status")
    assert list(rows.values_list("stripe_id", "status")) == [
        (sub, "active"),
        (newer, "canceled"),
    ]


def test_successor_of_a_subscription_whose_end_was_lost_is_mirrored(
    fake: FakeStripe, org: Organization, sub: str, price: str
) -> None:
    """The webhook of the cancellation never came; there is no duplicate."""
    customer = BillingAccount.objects.get(organization=org).stripe_id or ""
    fake.client().v1.subscriptions.cancel(sub)
    second = subscribe(fake, customer, price)

    refetch_subscription(second)

    rows = Subscription.objects.filter(organization=org)
    assert dict(rows.values_list("stripe_id", "status")) == {
        sub: "canceled",
        second: "active",
    }
    assert recorded() == []


def test_unlinked_customer_is_a_warning(
    fake: FakeStripe, acme: WhiteLabel, sub: str
) -> None:
    make_customer(fake, "unlinked@example.com")

    run_sync(acme)

    assert recorded() == [("no_organization", "", "unlinked@example.com")]
    assert list_discrepancies([acme]) == []
    row = list_discrepancies([acme], include_unassigned=True)[0]
    assert (row.label, row.can_resolve) == (
        Discrepancy.Kind.NO_ORGANIZATION.label,
        False,
    )
    assert get_discrepancy(row.id, [acme]) is None


def test_link_of_a_customer_is_never_changed(
    fake: FakeStripe, acme: WhiteLabel, org: Organization, sub: str
) -> None:
    """A second customer that names the same organization."""
    first = BillingAccount.objects.get(organization=org).stripe_id
    customer_of(fake, org)

    run_sync(acme)

    assert BillingAccount.objects.get(organization=org).stripe_id == first
    assert recorded() == [
        ("no_organization", f"organization already has {first}", "org-7@example.com")
    ]


def test_customer_deleted_in_stripe_is_a_warning(
    fake: FakeStripe, acme: WhiteLabel, org: Organization, sub: str
) -> None:
    customer = BillingAccount.objects.get(organization=org).stripe_id or ""
    customer_of(fake, make_organization(acme, "other"))
    fake.client().v1.customers.delete(customer)

    run_sync(acme)

    assert recorded() == [("no_customer", "linked", "not in Stripe")]
    assert BillingAccount.objects.get(organization=org).stripe_id == customer
    assert Subscription.objects.get(stripe_id=sub).status == "canceled"
