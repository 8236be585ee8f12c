"""The stand-in for Stripe as tests use it: one server a session, empty for each test.

`fake_stripe` also points the settings at it. Its clock stands at `NOW`.
"""

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

from config.dev.fakestripe import versions
from tests import ROOT
from tests.factories import NOW

KEY, SECRET = "sk_test_fake", "whsec_fake"

Json = dict[str, Any]


@dataclass
class FakeStripe:
    """`url` is the API's base; every method but `client` is a `/_fake` door."""

    url: str

    def client(
        self, version: str = versions.NEWEST, *, key: str = KEY
    ) -> stripe.StripeClient:
        """The real SDK, without retries, in any API version."""
        return stripe.StripeClient(
            key,
            base_addresses={"api": self.url},
            stripe_version=version,
            max_network_retries=0,
        )

    def door(self, path: str, method: str = "POST", **body: Any) -> Any:
        data = json.dumps(body).encode() if method == "POST" else None
        request = Request(f"{self.url}/_fake/{path}", data, method=method)
        try:
            with urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise AssertionError(error.read().decode()) from None

    def reset(self) -> None:
        self.door("reset", now=int(NOW.timestamp()))

    def advance(self, *, days: float = 0, hours: float = 0, to: int = 0) -> int:
        """The clock's new instant, in seconds."""
        if to:
            return int(self.door("clock", now=to)["now"])
        seconds = int(days * 86_400 + hours * 3600)
        return int(self.door("clock", advance=seconds)["now"])

    def pay(self, outcome: str, customer: str = "*") -> None:
        self.door("payment", customer=customer, outcome=outcome)

    def fault(self, do: str, path: str = "*", **more: Any) -> None:
        """In place of all faults before."""
        self.door("script", api=[{"do": do, "path": path, **more}])

    def script(self, **webhooks: Any) -> None:
        self.door("script", webhooks=webhooks)

    def send_to(self, url: str, *, version: str | None = None) -> None:
        self.door("webhooks", url=url, secret=SECRET, api_version=version)

    def settle(self, seconds: float = 10) -> None:
        assert self.door("settle", seconds=seconds) == {"waiting": 0}

    def load(self, *objects: Json, events: bool = False) -> list[str]:
        ids: list[str] = self.door("objects", objects=objects, events=events)["ids"]
        return ids

    def change(self, found: str, **fields: Any) -> None:
        self.door("change", id=found, fields=fields)

    def sign(self, event: str, **more: Any) -> tuple[bytes, str]:
        """A delivery's bytes and signature header, to post by hand."""
        signed = self.door("sign", event=event, **({"secret": SECRET} | more))
        return signed["body"].encode(), signed["signature"]

    def objects(self, kind: str) -> list[Json]:
        found: list[Json] = self.door(f"objects?kind={kind}", "GET")
        return found

    def events(self, *types: str) -> list[Json]:
        """Oldest first."""
        return [
            one for one in self.objects("event") if not types or one["type"] in types
        ]

    def requests(self, path: str = "", method: str = "") -> list[Json]:
        found: list[Json] = self.door("requests", "GET")
        return [
            one
            for one in found
            if one["path"].startswith(path) and method in {"", one["method"]}
        ]


def start_server(state: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """The process and its base URL, once it answers."""
    command = [sys.executable, "-m", "config.dev.fakestripe", "--state", str(state)]
    process = subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout
    return process, process.stdout.readline().split()[-1]


@pytest.fixture(scope="session")
def fake_stripe_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[FakeStripe]:
    state = tmp_path_factory.mktemp("stripe") / "fake.sqlite"
    process, url = start_server(state)
    yield FakeStripe(url)
    process.terminate()
    process.communicate(timeout=10)


@pytest.fixture
def fake_stripe(fake_stripe_server: FakeStripe, settings: Settings) -> FakeStripe:
    fake_stripe_server.reset()
    settings.STRIPE_SECRET_KEY = KEY
    settings.STRIPE_WEBHOOK_SECRET = [SECRET]
    settings.STRIPE_API_BASE = fake_stripe_server.url
    settings.STRIPE_CALLS_PER_SECOND = 1_000  # as for a base that is given outside
    return fake_stripe_server


def make_price(
    fake: FakeStripe,
    amount: int = 2900,
    *,
    interval: str = "month",
    currency: str = "usd",
    kind: str = "platform",
    tier: str = "growth",
) -> stripe.Price:
    """With a product of its own that says kind and tier, as Orgdesk reads them."""
    client = fake.client()
    product = client.v1.products.create(
        {
            "name": tier.title(),
            "metadata": {"orgdesk_kind": kind, "orgdesk_tier": tier},
        }
    )
    found: Any = {
        "product": product.id,
        "currency": currency,
        "unit_amount": amount,
        "recurring": {"interval": interval},
    }
    return client.v1.prices.create(found)


def make_customer(fake: FakeStripe, email: str = "ann@example.com") -> stripe.Customer:
    return fake.client().v1.customers.create({"email": email, "name": "Ann"})


def make_subscription(
    fake: FakeStripe, *, customer: str = "", price: str = "", **more: Any
) -> stripe.Subscription:
    """Of a customer and a price of its own, unless these are given."""
    found: Any = {
        "customer": customer or make_customer(fake).id,
        "items": [{"price": price or make_price(fake).id}],
    } | more
    return fake.client().v1.subscriptions.create(found)
