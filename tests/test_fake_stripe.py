"""The stand-in for Stripe does what Stripe does, asked by Stripe's own SDK."""

from typing import Any

import pytest
import stripe

from tests.fake_stripe import FakeStripe, make_customer, make_price, make_subscription


def test_customers_are_found_by_email(fake_stripe: FakeStripe) -> None:
    client = fake_stripe.client()
    ann = make_customer(fake_stripe, "ann@example.com")
    make_customer(fake_stripe, "bob@example.com")

    found = client.v1.customers.list({"email": "ann@example.com"}).data

    assert [one.id for one in found] == [ann.id]
    query = "email:'ann@example.com' AND name:'Ann'"
    searched = client.v1.customers.search({"query": query}).data
    assert [one.id for one in searched] == [ann.id]


def test_deleted_customer_is_out_of_lists_and_its_subscription_ends(
    fake_stripe: FakeStripe,
) -> None:
    client = fake_stripe.client()
    subscription = make_subscription(fake_stripe)
    customer = str(subscription.customer)

    client.v1.customers.delete(customer)

    assert client.v1.customers.list().data == []
    assert client.v1.customers.retrieve(customer).to_dict() == {
        "id": customer,
        "object": "customer",
        "deleted": True,
    }
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.update(customer, {"name": "Bob"})
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


def test_first_invoice_is_paid_at_once(fake_stripe: FakeStripe) -> None:
    price = make_price(fake_stripe, 2900)
    customer = make_customer(fake_stripe)

    subscription = fake_stripe.client().v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": price.id, "quantity": 3}],
            "expand": ["latest_invoice"],
        }
    )

    invoice = subscription.latest_invoice
    assert isinstance(invoice, stripe.Invoice)
    assert subscription.status == "active"
    assert (invoice.status, invoice.amount_paid) == ("paid", 8700)
    assert invoice.billing_reason == "subscription_create"
    assert invoice.parent
    assert invoice.parent.subscription_details
    assert invoice.parent.subscription_details.subscription == subscription.id
    item = subscription["items"].data[0]
    assert item.current_period_start == 1795262400  # 21 November 2026, noon
    assert item.current_period_end == 1797854400  # 21 December


def test_price_change_is_prorated_on_the_next_invoice(fake_stripe: FakeStripe) -> None:
    client = fake_stripe.client()
    dear = make_price(fake_stripe, 9900, tier="scale")
    subscription = make_subscription(fake_stripe)
    item = subscription["items"].data[0].id
    fake_stripe.advance(days=15)  # half of thirty days

    changed: Any = {"items": [{"id": item, "price": dear.id}]}
    asked: Any = {"subscription": subscription.id, "subscription_details": changed}
    preview = client.v1.invoices.create_preview(asked)
    client.v1.subscriptions.update(subscription.id, changed)
    fake_stripe.advance(days=16)

    assert sorted(line.amount for line in preview.lines.data) == [-1450, 4950, 9900]
    assert preview.id.startswith("upcoming_in_")
    newest = client.v1.invoices.list().data[0]
    assert (newest.status, newest.total) == ("paid", 13400)
    assert len(client.v1.invoices.list().data) == 2
