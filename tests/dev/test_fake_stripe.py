"""The fake Stripe behaves as Stripe does, called with the SDK of Stripe."""

import os
import socket
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import stripe

from config.dev.servers.stripe import FakeStripe as Embedded
from tests.support.fake_stripe import (
    FakeStripe,
    make_customer,
    make_price,
    make_subscription,
    start_server,
)


def test_customers_are_found_by_email(fake_stripe: FakeStripe) -> None:
    client = fake_stripe.client()
    ann = make_customer(fake_stripe, "ann@example.com")
    make_customer(fake_stripe, "bob@example.com")

    customers = client.v1.customers.list({"email": "ann@example.com"}).data

    assert [one.id for one in customers] == [ann.id]
    query = "email:'ann@example.com' AND name:'Ann'"
    searched = client.v1.customers.search({"query": query}).data
    assert [one.id for one in searched] == [ann.id]


def test_deleted_customer_is_not_listed_and_its_subscription_ends(
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
    expensive = make_price(fake_stripe, 9900, tier="scale")
    subscription = make_subscription(fake_stripe)
    item = subscription["items"].data[0].id
    fake_stripe.advance(days=15)  # half of thirty days

    changed: Any = {"items": [{"id": item, "price": expensive.id}]}
    parameters: Any = {"subscription": subscription.id, "subscription_details": changed}
    preview = client.v1.invoices.create_preview(parameters)
    client.v1.subscriptions.update(subscription.id, changed)
    fake_stripe.advance(days=16)

    assert sorted(line.amount for line in preview.lines.data) == [-1450, 4950, 9900]
    assert preview.id.startswith("upcoming_in_")
    newest = client.v1.invoices.list().data[0]
    assert (newest.status, newest.total) == ("paid", 13400)
    assert len(client.v1.invoices.list().data) == 2


def test_link_of_an_invoice_opens_a_page_that_pays(fake_stripe: FakeStripe) -> None:
    client = fake_stripe.client()
    customer = client.v1.customers.create({"name": "Ann <b>", "email": "a@b.co"})
    draft = client.v1.invoices.create(
        {"customer": customer.id, "collection_method": "send_invoice"}
    )
    client.v1.invoice_items.create(
        {"customer": customer.id, "invoice": draft.id, "amount": 711, "currency": "usd"}
    )
    sent = client.v1.invoices.send_invoice(draft.id)
    assert sent.hosted_invoice_url

    with urlopen(sent.hosted_invoice_url, timeout=30) as answer:
        page = answer.read().decode()
    urlopen(f"{sent.hosted_invoice_url}/pay", b"", timeout=30).close()

    assert "7.11 USD" in page
    assert "Ann &lt;b&gt;" in page
    assert client.v1.invoices.retrieve(draft.id).status == "paid"
    portal = client.v1.billing_portal.sessions.create({"customer": customer.id})
    with urlopen(portal.url, timeout=30) as answer:
        assert "7.11 USD" in answer.read().decode()


def test_loaded_objects_are_complete_and_usable(fake_stripe: FakeStripe) -> None:
    fake_stripe.load(
        {"object": "subscription", "id": "sub_7", "customer": "cus_7"}
        | {"created": 1780315200, "items": [{"price": "price_7", "quantity": 3}]},
        {"object": "customer", "id": "cus_7", "email": "a@b.co"},
        {"object": "product", "id": "prod_7", "name": "Growth"},
        {"object": "price", "id": "price_7", "product": "prod_7"}
        | {"unit_amount": 1100, "recurring": {"interval": "month"}},
        {"object": "invoice", "id": "in_7", "customer": "cus_7", "status": "paid"}
        | {"lines": [{"amount": 700}, {"amount": 77}]},
    )
    client = fake_stripe.client()

    subscription = client.v1.subscriptions.retrieve("sub_7")
    item = subscription["items"].data[0]
    assert item.current_period_start == 1793534400  # 1 November
    assert client.v1.invoices.retrieve("in_7").amount_paid == 777
    assert fake_stripe.events() == []
    fake_stripe.advance(days=11)
    assert client.v1.invoices.list({"customer": "cus_7"}).data[0].total == 3300


def test_killed_server_keeps_acknowledged_writes(tmp_path: Path) -> None:
    state = tmp_path / "fake.sqlite"
    process, url = start_server(state)
    made = FakeStripe(url).client().v1.customers.create({"name": "Ann"})
    process.kill()
    process.communicate(timeout=60)

    process, url = start_server(state)
    customer = FakeStripe(url).client().v1.customers.retrieve(made.id)
    process.terminate()
    process.communicate(timeout=60)

    assert customer.name == "Ann"
    assert process.returncode == 0


def test_port_and_secret_of_a_state_folder_persist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(state: Path) -> tuple[str, str]:
        for name in ("SECRET_KEY", "API_BASE", "WEBHOOK_SECRET"):
            monkeypatch.setenv(f"STRIPE_{name}", "")
        state.mkdir(exist_ok=True)
        server = Embedded(state, 8000, "127.0.0.1")
        server.set_environment()
        assert os.environ["STRIPE_API_BASE"] == server.url
        assert os.environ["STRIPE_SECRET_KEY"].startswith("sk_test_")
        return server.url, os.environ["STRIPE_WEBHOOK_SECRET"]

    url, secret = run(tmp_path / "a")
    assert run(tmp_path / "a") == (url, secret)
    assert run(tmp_path / "b")[1] != secret
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", int(url.rpartition(":")[2])))
        assert run(tmp_path / "a")[0] != url
