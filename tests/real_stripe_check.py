"""Compare old shapes of the fake with real Stripe events; `make real` runs this.

Needs `../shared/data/stripe`; not collected by `make test`.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from config.dev.fakestripe import shapes, versions
from tests import ROOT

DATA = ROOT.parent / "shared" / "data" / "stripe"
FILE = DATA / "ruby_mock_webhooks.json"
VERSION = "2020-08-27"
Json = dict[str, Any]
# Fields that Stripe removed long before the supported versions, or that are not read.
_LEFT_OUT = {"product.attributes"}


def _fake_objects() -> dict[str, Json]:
    recurring = {"interval": "month"}
    price = shapes.price(7, product="prod_7", unit_amount=11, recurring=recurring)
    details = {"invoice_item": "ii_7", "proration": False, "subscription": None}
    line = {
        "parent": {"invoice_item_details": details, "type": "invoice_item_details"},
        "pricing": shapes.priced(price),
    }
    made = [
        shapes.customer(7),
        shapes.product(7),
        price,
        shapes.subscription(7, items=[{"price": price["id"], "quantity": 1}]),
        shapes.invoice(7, lines=[line], hosted_invoice_url="/i/"),
        shapes.invoiceitem(7),
    ]
    return {
        one["object"]: versions.render(one, VERSION, lambda name: price, "http://host")
        for one in made
    }


def _differences(real: Any, fake: Any, where: str) -> Iterator[str]:
    """Yield fields that the fake lacks and values of another type; null is ignored."""
    if isinstance(real, dict) and isinstance(fake, dict):
        for name in real.keys() - {"metadata"}:
            if name not in fake:
                yield f"{where}.{name}"
            else:
                yield from _differences(real[name], fake[name], f"{where}.{name}")
    elif isinstance(real, list) and isinstance(fake, list):
        if real and fake:
            yield from _differences(real[0], fake[0], f"{where}[]")
    elif real is not None and fake is not None and type(real) is not type(fake):
        yield f"{where}: {real!r} and {fake!r}"


def _events() -> list[Json]:
    if not FILE.exists():
        return []
    events: dict[str, Json] = json.loads(FILE.read_text())
    fake = _fake_objects()
    return [
        event
        for event in events.values()
        if event.get("api_version") == VERSION
        and event["data"]["object"]["object"] in fake
    ]


@pytest.mark.parametrize("event", _events(), ids=lambda event: event["type"])
def test_shape_is_that_of_a_real_event(event: Json) -> None:
    real = event["data"]["object"]
    fake = _fake_objects()[real["object"]]
    missing = set(_differences(real, fake, real["object"]))
    assert missing - _LEFT_OUT == set()
    assert event.keys() <= shapes.event(7, type="", data={}, request={}).keys()
