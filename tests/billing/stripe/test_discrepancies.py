"""Differences: seen, seen again, healed; and what people are warned of instead."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from billing.gateway import calls
from billing.models import BillingAccount, Discrepancy, Invoice, Subscription
from billing.stripe import tasks
from billing.stripe.commands import resolution
from billing.stripe.commands.mirror.refetching import refetch_subscription
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
from tests.support.stripe_mirror import customer_of, history, run_sync, subscribe

pytestmark = pytest.mark.usefixtures("frozen")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "FIRST_WAIT_SECONDS", 0.01)


@pytest.fixture
def fake(fake_stripe: FakeStripe) -> Iterator[FakeStripe]:
    yield fake_stripe
    fake_stripe.control("script", api=[])


@pytest.fixture
def price(fake: FakeStripe) -> str:
    return make_price(fake, 2900).id


@pytest.fixture
def sub(fake: FakeStripe, acme: WhiteLabel, org: Organization, price: str) -> str:
    """Of org-7, mirrored; the decoy's is, too."""
    decoy = Organization.objects.get(white_label__slug="decoy", external_id="org-7")
    made = subscribe(fake, customer_of(fake, org), price)
    subscribe(fake, customer_of(fake, decoy), price)
    run_sync(acme)
    run_sync(decoy.white_label)
    return made


def found(*, resolved: bool = False) -> list[tuple[str, str, str]]:
    rows = Discrepancy.objects.filter(resolved_at__isnull=not resolved).order_by("kind")
    return list(rows.values_list("kind", "ours", "theirs"))


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
    ours, kind, said, theirs = change
    Subscription.objects.filter(stripe_id=sub).update(**ours)

    run = run_sync(acme, repairs=False)

    theirs = theirs or f"{price} · monthly · platform"
    assert found() == [(kind, said, theirs)]
    row = list_discrepancies([acme])[0]
    assert (row.can_resolve, row.ours_at, row.theirs_at) == (True, NOW, NOW)
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

    assert found(resolved=True) == [("seats", "5", "11")]
    assert Subscription.objects.get().seats == 11


def test_amounts_are_compared(acme: WhiteLabel, sub: str) -> None:
    Invoice.objects.filter(organization__white_label=acme).update(
        total=Decimal(7), amount_paid=0, status="open", paid_at=None
    )

    run_sync(acme)

    assert found(resolved=True) == [
        ("amount", "7.00 usd, 0.00 paid", "29.00 usd, 29.00 paid"),
        ("status", "open", "paid 2026-11-21 12:00 UTC"),
    ]


def test_what_we_never_had_is_missing(
    fake: FakeStripe, acme: WhiteLabel, sub: str, price: str
) -> None:
    late = make_organization(acme, "late")
    subscribe(fake, customer_of(fake, late), price)

    run_sync(acme)

    assert [kind for kind, *_ in found(resolved=True)] == [
        "customer",
        "missing",
        "missing",
    ]
    assert Subscription.objects.filter(organization=late).exists()


# --- seen again, healed -----------------------------------------------------------


def test_it_is_one_row_while_it_lasts(acme: WhiteLabel, sub: str) -> None:
    Subscription.objects.filter(stripe_id=sub).update(tier="free")
    run_sync(acme, repairs=False)
    with time_machine.travel(NOW + timedelta(days=1), tick=False):
        run_sync(acme, repairs=False)
        row = list_discrepancies([acme])[0]

    assert row.first_seen_at == NOW
    assert row.last_seen_at == NOW + timedelta(days=1)
    assert Discrepancy.objects.count() == 1


def test_one_click_heals_one(acme: WhiteLabel, org: Organization, sub: str) -> None:
    Subscription.objects.filter(stripe_id=sub).update(tier="free", status="past_due")
    Invoice.objects.filter(organization=org).update(total=7)
    run_sync(acme, repairs=False)
    tier = Discrepancy.objects.get(kind="tier")

    tasks.resolve_discrepancy(tier.pk, "ann")
    before = history()
    tasks.resolve_discrepancy(tier.pk, "bob")

    tier.refresh_from_db()
    assert (tier.resolved_by, tier.resolved_at) == ("ann", NOW)
    assert [kind for kind, *_ in found()] == ["amount"]
    assert Subscription.objects.get(stripe_id=sub).tier == "growth"
    assert history() == before
    assert len(list_organization_discrepancies(org.pk, resolved=True)) == 2


def test_one_click_heals_all(acme: WhiteLabel, org: Organization, sub: str) -> None:
    Subscription.objects.update(tier="free")
    run_sync(acme, repairs=False)

    run = resolution.resolve_all(acme, by="ann")
    tasks.run_sync(run.pk)

    assert found() == []
    tiers = Subscription.objects.order_by("organization__white_label__slug")
    assert list(tiers.values_list("tier", flat=True)) == ["growth", "free"]


def test_a_webhook_heals_too(acme: WhiteLabel, sub: str) -> None:
    Subscription.objects.filter(stripe_id=sub).update(tier="free")
    run_sync(acme, repairs=False)

    refetch_subscription(sub, by="evt_1")

    assert Discrepancy.objects.get().resolved_by == "evt_1"


def test_what_was_never_so_in_stripe_ends(
    fake: FakeStripe, acme: WhiteLabel, sub: str
) -> None:
    """Gone from Stripe: live here it has ended, as far as anyone can say."""
    fake.control("remove", id=sub)

    run_sync(acme)

    assert found(resolved=True) == [("status", "active", "not in Stripe")]
    assert Subscription.objects.get(stripe_id=sub).status == "canceled"


def test_another_account_takes_nothing_away(
    fake: FakeStripe, acme: WhiteLabel, sub: str
) -> None:
    """The key of an empty account: warnings, and nothing called ended."""
    fake.reset()

    run = run_sync(acme)

    assert run.written == 0
    assert [kind for kind, *_ in found()] == ["no_customer"]
    assert Subscription.objects.get(stripe_id=sub).status == "active"


# --- warnings -----------------------------------------------------------------------


def test_an_unknown_price_changes_nothing_silently(
    fake: FakeStripe, acme: WhiteLabel, sub: str
) -> None:
    """Of a kind we do not sell; once its product says what it is, all is followed."""
    strange = make_price(fake, 100, kind="hats", tier="odd")
    item = fake.client().v1.subscriptions.retrieve(sub).items.data[0].id
    change: Any = {"items": [{"id": item, "price": strange.id}]}
    fake.client().v1.subscriptions.update(sub, change)
    customer = customer_of(fake, make_organization(acme, "other"))
    other = subscribe(fake, customer, strange.id)

    run_sync(acme)

    warnings = Discrepancy.objects.filter(kind="unknown_price", resolved_at=None)
    assert set(warnings.values_list("stripe_id", "ours", "theirs")) == {
        (sub, "growth", strange.id),
        (other, "", strange.id),
    }
    assert Subscription.objects.get(stripe_id=sub).tier == "growth"
    assert not Subscription.objects.filter(stripe_id=other).exists()
    with pytest.raises(Conflict, match="waits for a person"):
        resolution.resolve(warnings[0].pk, by="ann")

    known: Any = {"metadata": {"orgdesk_kind": "platform"}}
    fake.client().v1.products.update(str(strange.product), known)
    run_sync(acme)

    assert found() == []
    rows = Subscription.objects.filter(white_label=acme)
    assert dict(rows.values_list("stripe_id", "tier")) == {sub: "odd", other: "odd"}


def test_of_two_live_ones_the_newest_active_is_used(
    fake: FakeStripe, acme: WhiteLabel, org: Organization, sub: str
) -> None:
    customer = BillingAccount.objects.get(organization=org).stripe_id or ""
    fake.advance(hours=1)
    newer = subscribe(fake, customer, make_price(fake, 9900, tier="scale").id)

    refetch_subscription(newer)
    run_sync(acme)

    assert found() == [("two_live", f"{newer} is used", f"{sub} is active")]
    live = Subscription.objects.get(organization=org)
    assert (live.stripe_id, live.tier) == (newer, "scale")
    before = history()
    assert run_sync(acme).written == 0
    assert history() == before

    fake.client().v1.subscriptions.cancel(newer)
    refetch_subscription(newer)
    refetch_subscription(sub)
    run_sync(acme)

    assert found() == []
    rows = Subscription.objects.filter(organization=org).order_by("status")
    assert list(rows.values_list("stripe_id", "status")) == [
        (sub, "active"),
        (newer, "canceled"),
    ]


def test_a_successor_whose_predecessor_ended_unheard(
    fake: FakeStripe, org: Organization, sub: str, price: str
) -> None:
    """The end of the first was lost: the second is no rival."""
    customer = BillingAccount.objects.get(organization=org).stripe_id or ""
    fake.client().v1.subscriptions.cancel(sub)
    second = subscribe(fake, customer, price)

    refetch_subscription(second)

    rows = Subscription.objects.filter(organization=org)
    assert dict(rows.values_list("stripe_id", "status")) == {
        sub: "canceled",
        second: "active",
    }
    assert found() == []


def test_a_customer_of_nobody_is_a_warning(
    fake: FakeStripe, acme: WhiteLabel, sub: str
) -> None:
    make_customer(fake, "who@example.com")

    run_sync(acme)

    assert found() == [("no_organization", "", "who@example.com")]
    assert list_discrepancies([acme]) == []
    row = list_discrepancies([acme], include_unassigned=True)[0]
    assert (row.label, row.can_resolve) == (
        Discrepancy.Kind.NO_ORGANIZATION.label,
        False,
    )
    assert get_discrepancy(row.id, [acme]) is None


def test_a_link_is_never_moved(
    fake: FakeStripe, acme: WhiteLabel, org: Organization, sub: str
) -> None:
    """A second customer that names the same organization."""
    first = BillingAccount.objects.get(organization=org).stripe_id
    customer_of(fake, org)

    run_sync(acme)

    assert BillingAccount.objects.get(organization=org).stripe_id == first
    assert found() == [
        ("no_organization", f"organization already has {first}", "org-7@example.com")
    ]


def test_a_customer_deleted_in_stripe_is_a_warning(
    fake: FakeStripe, acme: WhiteLabel, org: Organization, sub: str
) -> None:
    customer = BillingAccount.objects.get(organization=org).stripe_id or ""
    customer_of(fake, make_organization(acme, "other"))
    fake.client().v1.customers.delete(customer)

    run_sync(acme)

    assert found() == [("no_customer", "linked", "not in Stripe")]
    assert BillingAccount.objects.get(organization=org).stripe_id == customer
    assert Subscription.objects.get(stripe_id=sub).status == "canceled"
