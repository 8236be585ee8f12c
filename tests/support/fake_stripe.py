"""The fake Stripe of the tests: one server per session, emptied for each test.

The fixture `fake_stripe` also points the settings at it. Its clock stops at `NOW`.
"""

import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import stripe
from pytest_django import Settings

from billing.gateway import calls
from config.dev.fakestripe import versions
from tests import ROOT
from tests.factories import NOW

KEY, SECRET = "sk_test_fake_any", "whsec_fake"

Json = dict[str, Any]


def _stored(part: Json) -> Json:
    """Return an item or a line as the fake stores it: with the id of its price."""
    price = part.get("price")
    return {**part, "price": price["id"]} if isinstance(price, dict) else part


@dataclass(frozen=True)
class FakeStripe:
    """Client of the fake's control API, and of its copy of Stripe's API at `url`."""

    url: str

    def client(
        self, version: str = versions.NEWEST, *, key: str = KEY
    ) -> stripe.StripeClient:
        """Return Stripe's SDK for the fake, without retries, in any API version."""
        return _client(self.url, version, key)

    def control(self, path: str, method: str = "POST", **body: Any) -> Any:
        """Call the control API and return its JSON; its errors fail the test."""
        data = json.dumps(body).encode() if method == "POST" else None
        request = Request(f"{self.url}/_fake/{path}", data, method=method)
        try:
            with urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise AssertionError(error.read().decode()) from None

    def reset(self) -> None:
        """Delete all objects, faults and webhook endpoints; set the clock to `NOW`."""
        self.control("reset", now=int(NOW.timestamp()))

    def digest(self) -> str:
        """Return a hash of everything that is stored."""
        return str(self.control("digest", "GET")["digest"])

    def save(self, name: str) -> None:
        """Keep what is stored, for `restore`."""
        self.control("save", name=name)

    def restore(self, name: str) -> None:
        """Replace what is stored by what was saved."""
        self.control("restore", name=name)

    def advance(self, *, days: float = 0, hours: float = 0, to: int = 0) -> int:
        """Move the clock, do what becomes due, and return the new time in seconds."""
        if to:
            return int(self.control("clock", now=to)["now"])
        seconds = int(days * 86_400 + hours * 3600)
        return int(self.control("clock", advance=seconds)["now"])

    def pay(self, outcome: str, customer: str = "*") -> None:
        """Set how payments end from now on: `succeed`, `fail` or `none`."""
        self.control("payment", customer=customer, outcome=outcome)

    def fault(self, do: str, path: str = "*", **more: Any) -> None:
        """Let requests below a path fail in one way, and in no other."""
        self.control("script", api=[{"do": do, "path": path, **more}])

    def script(self, **webhooks: Any) -> None:
        """Set how webhooks are delayed, repeated, reordered or lost."""
        self.control("script", webhooks=webhooks)

    def send_to(self, url: str, *, version: str | None = None) -> None:
        """Send webhooks to a URL, in an API version."""
        self.control("webhooks", url=url, secret=SECRET, api_version=version)

    def settle(self, seconds: float = 60) -> None:
        """Wait until every webhook was delivered."""
        assert self.control("settle", seconds=seconds) == {"waiting": 0}

    def load(self, *objects: Json, events: bool = False) -> list[str]:
        """Store objects as they are and return their ids."""
        ids: list[str] = self.control("objects", objects=objects, events=events)["ids"]
        return ids

    def change(self, id_: str, **fields: Any) -> None:
        """Overwrite fields of an object without an event."""
        self.control("change", id=id_, fields=fields)

    def damage_last(self, kind: str, id_: str, parts: str) -> None:
        """Replace the items or lines past the tenth by an unreadable one."""
        [body] = [row for row in self.objects(kind) if row["id"] == id_]
        shown = [_stored(part) for part in body[parts]["data"]]
        last = {
            **shown[-1],
            "id": f"{shown[-1]['id']}x",
            "quantity": "x",
            "amount": "x",
        }
        self.change(id_, **{parts: {**body[parts], "data": [*shown, last]}})

    def sign(self, event: str, **more: Any) -> tuple[bytes, str]:
        """Return an event's webhook body and signature header, to post from a test."""
        signed = self.control("sign", event=event, **({"secret": SECRET} | more))
        return signed["body"].encode(), signed["signature"]

    def objects(self, kind: str) -> list[Json]:
        """Return all objects of a kind, oldest first."""
        objects: list[Json] = self.control(f"objects?kind={kind}", "GET")
        return objects

    def events(self, *types: str) -> list[Json]:
        """Return events, of some types or all, oldest first."""
        return [
            event
            for event in self.objects("event")
            if not types or event["type"] in types
        ]

    def requests(self, path: str = "", method: str = "") -> list[Json]:
        """Return the API requests below a path, oldest first."""
        requests: list[Json] = self.control("requests", "GET")
        return [
            request
            for request in requests
            if request["path"].startswith(path) and method in {"", request["method"]}
        ]


@functools.cache
def _client(url: str, version: str, key: str) -> stripe.StripeClient:
    """Return one client for each server: making one costs 15 ms, most of a call."""
    return stripe.StripeClient(
        key,
        base_addresses={"api": url},
        stripe_version=version,
        max_network_retries=0,
    )


def start_server(state: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start a fake and return its process and base URL once it listens."""
    command = [sys.executable, "-m", "config.dev.fakestripe", "--open"]
    command += ["--state", str(state)]
    process = subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout
    return process, process.stdout.readline().split()[-1]


@pytest.fixture(scope="session")
def fake_stripe_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[FakeStripe]:
    """Fake that runs for the whole session."""
    state = tmp_path_factory.mktemp("stripe") / "fake.sqlite"
    process, url = start_server(state)
    yield FakeStripe(url)
    process.terminate()
    process.communicate(timeout=60)


@pytest.fixture
def fake_stripe(
    fake_stripe_server: FakeStripe,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> FakeStripe:
    """Empty fake, with the settings pointing at it; retries do not wait for long."""
    fake_stripe_server.reset()
    monkeypatch.setattr(calls, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(calls, "DEADLINE_SECONDS", 0.5)
    settings.STRIPE_SECRET_KEY = KEY
    settings.STRIPE_WEBHOOK_SECRET = [SECRET]
    settings.STRIPE_API_BASE = fake_stripe_server.url
    settings.STRIPE_CALLS_PER_SECOND = (
        1_000  # so that the throttle does not slow the tests
    )
    return fake_stripe_server


def make_price(
    fake: FakeStripe,
    amount: int = 2900,
    *,
    interval: str = "month",
    interval_count: int = 1,
    currency: str = "usd",
    kind: str = "platform",
    tier: str = "growth",
) -> stripe.Price:
    """Create a price with a new product whose metadata name the kind and tier."""
    client = fake.client()
    product = client.v1.products.create(
        {
            "name": tier.title(),
            "metadata": {"orgdesk_kind": kind, "orgdesk_tier": tier},
        }
    )
    parameters: Any = {
        "product": product.id,
        "currency": currency,
        "unit_amount": amount,
        "recurring": {"interval": interval, "interval_count": interval_count},
    }
    return client.v1.prices.create(parameters)


def make_customer(fake: FakeStripe, email: str = "ann@example.com") -> stripe.Customer:
    """Create a customer."""
    return fake.client().v1.customers.create({"email": email, "name": "Ann"})


def make_subscription(
    fake: FakeStripe, *, customer: str = "", price: str = "", **more: Any
) -> stripe.Subscription:
    """Create a subscription, with a new customer and price unless they are given."""
    parameters: Any = {
        "customer": customer or make_customer(fake).id,
        "items": [{"price": price or make_price(fake).id}],
    } | more
    return fake.client().v1.subscriptions.create(parameters)
