"""Subscriptions with several items: plan, seats and metered prices in any order."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from billing import gateway
from billing.ledger.queries.terms import list_with_boundaries
from billing.models import (
    BillingPeriod,
    Charge,
    Discrepancy,
    Invoice,
    Subscription,
    SubscriptionItem,
)
from billing.stripe.commands.mirror.fetches import FetchContext
from billing.stripe.commands.mirror.refetches import refetch_subscription
from billing.stripe.commands.mirror.subscriptions import mirror_subscriptions
from orgs.models import Organization, WhiteLabel
from tests.factories import event, make_rate, record
from tests.support.fake_stripe import FakeStripe, make_price
from tests.support.snapshots import snapshot
from tests.support.stripe_mirror import customer_of, history, run_sync

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


class Cart:
    """An organization with one subscription that has several items."""

    def __init__(self, fake: FakeStripe, organization: Organization) -> None:
        self.fake, self.organization = fake, organization
        self.customer = customer_of(fake, organization)
        self.plan = make_price(fake, 2900).id
        self.seats = make_price(fake, 1100, kind="spaces", tier="team").id
        self.viewers = make_price(fake, 300, kind="spaces", tier="team").id
        self.metered = self.make_metered("platform", "growth")
        self.other = self.make_metered("", "")
        self.id = ""

    def make_metered(self, kind: str, tier: str) -> str:
        client = self.fake.client().v1
        metadata = {"orgdesk_kind": kind, "orgdesk_tier": tier} if kind else {}
        product = client.products.create({"name": "Calls", "metadata": metadata})
        parameters: Any = {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 1,
            "recurring": {"interval": "month", "usage_type": "metered"},
        }
        return client.prices.create(parameters).id

    def subscribe(self, *prices: str) -> None:
        quantities = {self.seats: 7, self.viewers: 3}
        items = [
            {"price": price}
            | ({"quantity": quantities[price]} if price in quantities else {})
            for price in prices
        ]
        parameters: Any = {"customer": self.customer, "items": items}
        self.id = self.fake.client().v1.subscriptions.create(parameters).id

    def change(self, *items: dict[str, Any]) -> None:
        parameters: Any = {"items": list(items)}
        self.fake.client().v1.subscriptions.update(self.id, parameters)

    def item(self, price: str) -> str:
        items = self.fake.client().v1.subscriptions.retrieve(self.id)["items"].data
        return str(next(item.id for item in items if item.price.id == price))

    def rows(self) -> dict[str, tuple[str, str, int | None]]:
        """Return status, tier and seats of the subscription's rows, by kind."""
        rows = Subscription.objects.filter(stripe_id=self.id)
        return {row.kind: (row.status, row.tier, row.seats) for row in rows}

    def items(self) -> dict[str, tuple[str, int | None]]:
        rows = SubscriptionItem.objects.filter(subscription_stripe_id=self.id)
        return {row.stripe_price_id: (row.kind, row.quantity) for row in rows}


def resell(cart: Cart, price: str, **metadata: str) -> None:
    """Change what a price sells in Stripe; without metadata it sells nothing known."""
    client = cart.fake.client().v1
    product = str(client.prices.retrieve(price).product)
    given: Any = {"metadata": metadata or {"orgdesk_kind": ""}}
    client.products.update(product, given)


@pytest.fixture
@snapshot
def cart(fake_stripe: FakeStripe, frozen: object, org: Organization) -> Cart:
    return Cart(fake_stripe, org)


def test_every_item_is_mirrored_in_any_order(cart: Cart, acme: WhiteLabel) -> None:
    names = ("plan", "seats", "viewers", "metered")
    for order in itertools.islice(itertools.permutations(names), 0, 24, 5):
        SubscriptionItem.objects.all().delete()
        Subscription.objects.all().delete()
        if cart.id:
            cart.fake.client().v1.subscriptions.cancel(cart.id)
        cart.subscribe(*(getattr(cart, name) for name in order))

        refetch_subscription(cart.id)

        assert cart.rows() == {
            "platform": ("active", "growth", None),
            "spaces": ("active", "team", 10),
        }
        platform = Subscription.objects.get(kind="platform")
        assert platform.stripe_price_id == cart.plan
        assert cart.items() == {
            cart.plan: ("platform", 1),
            cart.seats: ("spaces", 7),
            cart.viewers: ("spaces", 3),
            cart.metered: ("platform", None),
        }
    assert not Discrepancy.objects.filter(resolved_at=None).exists()


def test_a_sync_mirrors_a_cart_once_and_names_what_is_not_sold(
    cart: Cart, acme: WhiteLabel
) -> None:
    cart.subscribe(cart.other, cart.seats, cart.plan)

    first, second = run_sync(acme), run_sync(acme)

    assert set(cart.rows()) == {"platform", "spaces"}
    assert set(cart.items()) == {cart.seats, cart.plan}
    assert (first.errors, second.written) == (0, 0)
    [warning] = Discrepancy.objects.filter(resolved_at=None)
    assert (warning.kind, warning.stripe_id) == ("unsold_item", cart.id)
    assert warning.stripe_value == f"{cart.other} (Calls)"
    assert warning.organization == cart.organization


def test_items_are_added_and_removed_in_the_middle_of_a_cycle(
    cart: Cart, acme: WhiteLabel
) -> None:
    cart.subscribe(cart.plan)
    run_sync(acme)

    cart.change({"price": cart.seats, "quantity": 4}, {"price": cart.metered})
    run = run_sync(acme)
    assert cart.rows()["spaces"] == ("active", "team", 4)
    assert len(cart.items()) == 3
    assert (run.written, run.discrepancy_count) == (1, 1)

    cart.change({"price": cart.viewers, "quantity": 2})
    run_sync(acme)
    assert cart.rows()["spaces"] == ("active", "team", 6)

    cart.change({"id": cart.item(cart.metered), "deleted": True})
    run = run_sync(acme)
    kinds = Discrepancy.objects.filter(run=run).values_list("kind", flat=True)
    assert list(kinds) == ["items"]
    assert cart.metered not in cart.items()

    cart.change(
        {"id": cart.item(cart.seats), "deleted": True},
        {"id": cart.item(cart.viewers), "deleted": True},
    )
    run_sync(acme)
    assert cart.rows()["spaces"] == ("canceled", "team", 6)
    assert set(cart.items()) == {cart.plan}
    assert run_sync(acme).written == 0

    cart.change({"price": cart.seats, "quantity": 9})
    run_sync(acme)
    assert cart.rows()["spaces"] == ("active", "team", 9)


def test_a_removed_plan_ends_the_period_at_once(
    cart: Cart, acme: WhiteLabel, frozen: time_machine.Traveller
) -> None:
    make_rate(acme, "3")
    cart.subscribe(cart.seats, cart.plan)
    run_sync(acme)
    record(acme, [event("e-1", quantities={"requests": 1})])
    frozen.shift(timedelta(days=9))
    cart.fake.advance(days=9)
    cart.change({"id": cart.item(cart.plan), "deleted": True})

    for _ in range(3):
        refetch_subscription(cart.id)
        frozen.shift(timedelta(hours=1))

    assert cart.rows()["platform"] == ("canceled", "growth", None)
    closed = BillingPeriod.objects.get(organization=cart.organization, number=1)
    assert closed.ends_at == timezone.now() - timedelta(hours=3)
    assert BillingPeriod.objects.filter(organization=cart.organization).count() == 2


def test_the_draft_of_a_cart_bills_the_usage(
    cart: Cart, acme: WhiteLabel, frozen: time_machine.Traveller
) -> None:
    make_rate(acme, "3")
    cart.subscribe(cart.metered, cart.seats, cart.plan)
    run_sync(acme)
    record(acme, [event("e-1", quantities={"requests": 1})])
    frozen.shift(timedelta(days=30, minutes=1))
    cart.fake.advance(days=30, hours=1 / 60)

    run_sync(acme)

    [charge] = Charge.objects.all()
    assert charge.amount == 3
    assert charge.invoice_stripe_id


def test_a_price_that_becomes_unknown_keeps_its_row(
    cart: Cart, acme: WhiteLabel
) -> None:
    cart.subscribe(cart.seats, cart.plan)
    run_sync(acme)
    resell(cart, cart.seats)

    run_sync(acme)

    assert cart.rows()["spaces"] == ("active", "team", 7)
    [warning] = Discrepancy.objects.filter(resolved_at=None)
    assert warning.kind == "unknown_price"
    assert warning.stripe_value.startswith(cart.seats)


def test_a_removed_item_does_not_come_back_as_the_other_one(
    cart: Cart, acme: WhiteLabel
) -> None:
    cart.subscribe(cart.seats, cart.plan)
    run_sync(acme)
    cart.change({"id": cart.item(cart.seats), "deleted": True})
    run_sync(acme)
    ended_at = Subscription.objects.get(kind="spaces").cancels_at

    resell(cart, cart.plan)
    run_sync(acme)

    assert cart.rows()["platform"] == ("active", "growth", None)
    assert cart.rows()["spaces"] == ("canceled", "team", 7)
    assert Subscription.objects.get(kind="spaces").cancels_at == ended_at


def test_an_item_of_unknown_price_is_of_one_row_only(
    cart: Cart, acme: WhiteLabel
) -> None:
    cart.subscribe(cart.seats, cart.plan)
    run_sync(acme)
    resell(cart, cart.plan)
    cart.change({"id": cart.item(cart.seats), "deleted": True})

    run_sync(acme)

    assert cart.rows()["platform"] == ("active", "growth", None)
    assert cart.rows()["spaces"] == ("canceled", "team", 7)


def test_an_item_whose_price_changes_its_kind_is_of_one_row_only(
    cart: Cart, acme: WhiteLabel
) -> None:
    cart.subscribe(cart.plan)
    run_sync(acme)

    resell(cart, cart.plan, orgdesk_kind="spaces", orgdesk_tier="team")
    run_sync(acme)

    assert cart.rows()["platform"] == ("canceled", "growth", None)
    assert cart.rows()["spaces"] == ("active", "team", 1)


def test_an_older_answer_does_not_bring_a_removed_item_back(
    cart: Cart, acme: WhiteLabel, frozen: time_machine.Traveller
) -> None:
    cart.subscribe(cart.plan, cart.seats, cart.viewers)
    run_sync(acme)
    older, context = gateway.get_subscription(cart.id), FetchContext(timezone.now())
    frozen.shift(timedelta(hours=1))
    cart.change({"id": cart.item(cart.viewers), "deleted": True})
    refetch_subscription(cart.id)
    newer = cart.items()

    mirror_subscriptions([older], context)

    assert set(newer) == {cart.plan, cart.seats}
    assert cart.items() == newer
    rows = SubscriptionItem.objects.filter(subscription_stripe_id=cart.id)
    assert {row.synced_at for row in rows} == {timezone.now()}


def test_a_duplicate_that_is_not_used_has_no_items(
    cart: Cart, acme: WhiteLabel
) -> None:
    cart.subscribe(cart.plan)
    run_sync(acme)
    first, cart.id = cart.id, ""
    cart.fake.advance(hours=1)
    cart.subscribe(cart.plan)

    run_sync(acme)

    rows = SubscriptionItem.objects.values_list("subscription_stripe_id", flat=True)
    assert (set(rows), first in rows) == ({cart.id}, False)
    assert run_sync(acme).written == 0


def test_a_first_cycle_is_no_change_of_terms(cart: Cart, acme: WhiteLabel) -> None:
    """A sync closes periods one by one only where the terms changed."""
    began = timezone.now() - timedelta(days=90)
    BillingPeriod.objects.filter(organization=cart.organization).update(starts_at=began)
    cart.subscribe(cart.seats, cart.plan)
    run_sync(acme)
    assert list_with_boundaries([cart.id]) == set()

    cart.fake.advance(days=3)
    subscriptions = cart.fake.client().v1.subscriptions
    anchor: Any = {"billing_cycle_anchor": "now"}
    subscriptions.update(cart.id, anchor)
    refetch_subscription(cart.id)
    later = timezone.now() + timedelta(days=4)
    with time_machine.travel(later, tick=False):
        assert list_with_boundaries([cart.id]) == {cart.id}


def test_an_invoice_keeps_what_each_price_has_on_it(
    cart: Cart, acme: WhiteLabel
) -> None:
    cart.subscribe(cart.plan, cart.seats)
    run_sync(acme)
    invoice = Invoice.objects.get(organization=cart.organization)
    assert invoice.price_totals == {cart.plan: "29.00", cart.seats: "77.00"}
    assert invoice.total == 106

    written = history()
    Invoice.objects.update(price_totals=None)
    run_sync(acme)
    invoice.refresh_from_db()
    assert invoice.price_totals == {cart.plan: "29.00", cart.seats: "77.00"}
    assert history() == written  # it is no change of the invoice
