"""Webhooks of the fake Stripe, and scripts that delay, drop or repeat them."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe

from tests.support.fake_stripe import (
    SECRET,
    FakeStripe,
    Json,
    make_customer,
    make_price,
)

NOON = 1795262400


class Endpoint(ThreadingHTTPServer):
    """An endpoint that stores requests and returns the next of `statuses`, then 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"
        self.got: list[tuple[bytes, str]] = []
        self.statuses: list[int] = []

    def events(self) -> list[Json]:
        return [json.loads(body) for body, _ in self.got]

    def names(self) -> list[str]:
        return [one["data"]["object"]["name"] for one in self.events()]


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((body, self.headers["stripe-signature"]))
        statuses = self.server.statuses
        self.send_response(statuses.pop(0) if statuses else 200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing."""


@pytest.fixture
def endpoint(fake_stripe: FakeStripe) -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    fake_stripe.send_to(server.url)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _make(fake: FakeStripe, count: int) -> list[str]:
    names = [f"customer {number}" for number in range(count)]
    for name in names:
        fake.client().v1.customers.create({"name": name})
    return names


def test_deliveries_are_signed_and_in_order(
    fake_stripe: FakeStripe, endpoint: Endpoint
) -> None:
    names = _make(fake_stripe, 5)
    fake_stripe.settle()

    assert endpoint.names() == names
    body, header = endpoint.got[0]
    assert header.startswith(f"t={NOON},v1=")
    event = stripe.Webhook.construct_event(body, header, SECRET, tolerance=10**9)
    assert (event.type, event.created) == ("customer.created", NOON)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(
            body.decode(), header, "whsec_other", 10**9
        )


def test_event_is_pending_until_it_is_delivered(
    fake_stripe: FakeStripe, endpoint: Endpoint
) -> None:
    endpoint.statuses = [500, 503]
    fake_stripe.script(backoff=0.02)
    make_customer(fake_stripe)
    fake_stripe.settle()

    assert len(endpoint.got) == 3
    assert endpoint.got[0] == endpoint.got[1] == endpoint.got[2]
    assert fake_stripe.events()[0]["pending_webhooks"] == 0


def test_event_with_exhausted_retries_is_listed_as_undelivered(
    fake_stripe: FakeStripe, endpoint: Endpoint
) -> None:
    endpoint.statuses = [500, 500]
    fake_stripe.script(backoff=0.01, attempts=2)
    make_customer(fake_stripe)
    fake_stripe.settle()
    _make(fake_stripe, 1)
    fake_stripe.settle()

    client = fake_stripe.client()
    events = client.v1.events.list({"delivery_success": False}).data
    assert [one.data.object["name"] for one in events] == ["Ann"]
    assert events[0].pending_webhooks == 1

    fake_stripe.control("resend")
    fake_stripe.settle()
    assert client.v1.events.list({"delivery_success": False}).data == []


def test_duplicates_are_the_same_bytes(
    fake_stripe: FakeStripe, endpoint: Endpoint
) -> None:
    fake_stripe.script(duplicate=2)
    make_customer(fake_stripe)
    fake_stripe.settle()
    assert len(endpoint.got) == 3
    assert len(set(endpoint.got)) == 1


def test_shuffled_deliveries_arrive_in_the_same_order_each_time(
    fake_stripe: FakeStripe, endpoint: Endpoint
) -> None:
    orders = []
    for _ in range(2):
        endpoint.got.clear()
        fake_stripe.script(paused=True)
        names = _make(fake_stripe, 10)
        fake_stripe.script(shuffle=10, seed=5)
        fake_stripe.settle()
        orders.append(endpoint.names())
    assert sorted(orders[0]) == names
    assert orders[0] == orders[1] != names


def test_dropped_deliveries_depend_on_the_seed(
    fake_stripe: FakeStripe, endpoint: Endpoint
) -> None:
    fake_stripe.script(drop=0.3, seed=11)
    names = _make(fake_stripe, 40)
    fake_stripe.settle()
    lost = [one for one in fake_stripe.events() if one["pending_webhooks"]]
    assert 5 <= len(lost) <= 20
    assert len(endpoint.got) == 40 - len(lost)
    assert set(endpoint.names()) < set(names)


def test_named_types_are_dropped(fake_stripe: FakeStripe, endpoint: Endpoint) -> None:
    fake_stripe.script(drop_events=["product.created"])
    make_price(fake_stripe)
    fake_stripe.settle()
    assert [one["type"] for one in endpoint.events()] == ["price.created"]


def test_versions_alternate(fake_stripe: FakeStripe, endpoint: Endpoint) -> None:
    fake_stripe.script(api_versions=["2020-08-27", "2025-03-31.basil"])
    _make(fake_stripe, 3)
    fake_stripe.settle()
    versions = {one["api_version"] for one in endpoint.events()}
    assert versions == {"2020-08-27", "2025-03-31.basil"}


def test_endpoint_has_a_separate_version(
    fake_stripe: FakeStripe, endpoint: Endpoint
) -> None:
    fake_stripe.send_to(endpoint.url, version="2024-06-20")
    price = make_price(fake_stripe)
    customer = make_customer(fake_stripe)
    items: Any = [{"price": price.id}]
    fake_stripe.client().v1.subscriptions.create(
        {"customer": customer.id, "items": items}
    )
    fake_stripe.settle()
    created = next(
        one
        for one in endpoint.events()
        if one["type"] == "customer.subscription.created"
    )
    assert created["api_version"] == "2024-06-20"
    assert created["data"]["object"]["current_period_end"] == 1797854400
    assert created["data"]["object"]["plan"]["amount"] == 2900


def test_wrong_secret_and_delay(fake_stripe: FakeStripe, endpoint: Endpoint) -> None:
    fake_stripe.script(secret="whsec_wrong", delay=0.2)
    make_customer(fake_stripe)
    assert endpoint.got == []
    fake_stripe.settle()
    body, header = endpoint.got[0]
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(body.decode(), header, SECRET, 10**9)


def test_delivery_can_be_signed_to_be_posted_by_hand(fake_stripe: FakeStripe) -> None:
    make_customer(fake_stripe)
    event = fake_stripe.events()[0]["id"]
    body, header = fake_stripe.sign(event, api_version="2020-08-27", at=NOON + 7)
    assert header.startswith(f"t={NOON + 7},")
    assert stripe.WebhookSignature.verify_header(body.decode(), header, SECRET, 10**9)
    assert json.loads(body)["api_version"] == "2020-08-27"
