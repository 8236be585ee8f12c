"""Objects that cannot be read are named on the sync page and among discrepancies."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from billing.models import Discrepancy, Subscription, SubscriptionItem
from billing.stripe.commands.webhook_events.execution import handle
from billing.stripe.commands.webhook_events.intake import pull_undelivered
from orgs.models import Organization, WhiteLabel
from tests.factories import make_organization, make_user
from tests.support.fake_stripe import FakeStripe, make_price
from tests.support.snapshots import snapshot
from tests.support.stripe_mirror import customer_of, run_sync, subscribe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.usefixtures("frozen"),
]


@pytest.fixture
@snapshot
def sub(fake_stripe: FakeStripe, org: Organization) -> str:
    """Id of a subscription of the organization."""
    customer = customer_of(fake_stripe, org)
    return subscribe(fake_stripe, customer, make_price(fake_stripe).id)


def unreadable() -> list[tuple[str, str, int | None]]:
    """Return id, reason and organization of each open discrepancy of that kind."""
    rows = Discrepancy.objects.filter(kind="unreadable", resolved_at=None)
    return list(rows.values_list("stripe_id", "stripe_value", "organization_id"))


def test_a_sync_names_what_it_could_not_read(
    fake_stripe: FakeStripe, acme: WhiteLabel, org: Organization, sub: str
) -> None:
    run_sync(acme)
    fake_stripe.change(sub, status="hibernating")

    run = run_sync(acme)

    assert run.errors == 1
    [(id_, reason, organization_id)] = unreadable()
    assert (id_, organization_id) == (sub, org.pk)
    assert "subscription.status" in reason
    assert Subscription.objects.get().status == "active"
    client = Client()
    client.force_login(make_user("ann", "finance"))
    assert f'data-unreadable="{sub}"' in client.get("/stripe/").content.decode()
    assert sub in client.get("/stripe/discrepancies/").content.decode()

    fake_stripe.change(sub, status="active")
    assert run_sync(acme).errors == 0
    assert unreadable() == []


def test_an_object_in_a_currency_of_no_one_is_named_until_it_can_be_read(
    fake_stripe: FakeStripe, acme: WhiteLabel, org: Organization, sub: str
) -> None:
    invoice = fake_stripe.objects("invoice")[0]["id"]
    price = fake_stripe.objects("price")[0]["id"]
    for id_ in (invoice, price):
        fake_stripe.change(id_, currency="xyz")

    run_sync(acme)

    assert {(id_, owner) for id_, _, owner in unreadable()} == {
        (invoice, org.pk),
        (price, None),
    }
    for id_ in (invoice, price):
        fake_stripe.change(id_, currency="usd")
    run_sync(acme)
    assert unreadable() == []


def test_an_event_whose_object_cannot_be_read_names_it_too(
    fake_stripe: FakeStripe, acme: WhiteLabel, org: Organization, sub: str
) -> None:
    run_sync(acme)
    fake_stripe.send_to("http://127.0.0.1:9/")
    fake_stripe.client().v1.subscriptions.update(sub, {"description": "x"})
    fake_stripe.change(sub, collection_method="barter", status="hibernating")

    for event_id in pull_undelivered():
        handle(event_id)

    [(id_, _, organization_id)] = unreadable()
    assert (id_, organization_id) == (sub, org.pk)


def test_an_unreadable_item_past_the_tenth_stops_no_other_object(
    fake_stripe: FakeStripe, acme: WhiteLabel, org: Organization, sub: str
) -> None:
    prices = [make_price(fake_stripe, amount).id for amount in range(100, 111)]
    items: Any = [{"price": price} for price in prices]
    customer = customer_of(fake_stripe, make_organization(acme, "org-2"))
    parameters: Any = {"customer": customer, "items": items}
    other = fake_stripe.client().v1.subscriptions.create(parameters).id
    run_sync(acme)
    rows = SubscriptionItem.objects.filter(subscription_stripe_id=other)
    assert (rows.count(), unreadable()) == (11, [])
    fake_stripe.damage_last("subscription", other, "items")

    run = run_sync(acme)

    assert run.errors == 1
    [(id_, reason, _)] = unreadable()
    assert id_ == other
    assert "subscription_item" in reason
    assert (rows.count(), Subscription.objects.count()) == (11, 2)


def test_a_payment_of_an_unreadable_invoice_names_the_invoice(
    fake_stripe: FakeStripe, acme: WhiteLabel, org: Organization
) -> None:
    customer = customer_of(fake_stripe, org)
    run_sync(acme)
    fake_stripe.send_to("http://127.0.0.1:9/")
    subscribe(fake_stripe, customer, make_price(fake_stripe).id)
    assert fake_stripe.events("invoice_payment.paid")
    [invoice] = fake_stripe.objects("invoice")
    fake_stripe.change(invoice["id"], status="lent")

    for event_id in pull_undelivered():
        handle(event_id)

    [(id_, _, organization_id)] = unreadable()
    assert (id_, organization_id) == (invoice["id"], org.pk)
    fake_stripe.change(invoice["id"], status="paid")
    run_sync(acme)
    assert unreadable() == []


def test_what_the_database_refuses_keeps_when_it_was_first_seen(
    fake_stripe: FakeStripe,
    acme: WhiteLabel,
    sub: str,
    frozen: time_machine.Traveller,
) -> None:
    [stored] = fake_stripe.objects("subscription")
    [item] = stored["items"]["data"]
    seats = {**item, "price": make_price(fake_stripe, kind="spaces", tier="team").id}
    items = {**stored["items"], "data": [{**seats, "quantity": 2**40}]}
    fake_stripe.change(sub, items=items)
    frozen.shift(timedelta(hours=1))
    assert run_sync(acme).errors == 1
    [first] = Discrepancy.objects.filter(kind="unreadable")

    frozen.shift(timedelta(hours=1))
    assert run_sync(acme).errors == 1

    [again] = Discrepancy.objects.filter(kind="unreadable")
    assert (again.stripe_id, again.resolved_at) == (sub, None)
    assert again.first_seen_at == first.first_seen_at
    assert again.last_seen_at > first.last_seen_at
