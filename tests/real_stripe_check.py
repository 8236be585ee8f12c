"""The stand-in's old shapes against events Stripe really sent; `make real` runs this.

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
# What Stripe dropped long before the versions that we speak, or that nobody reads here.
_LEFT_OUT = {"product.attributes"}


def _ours() -> dict[str, Json]:
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
        shapes.subscription(7, items=[{"price": price["id"]}]),
        shapes.invoice(7, lines=[line], hosted_invoice_url="/i/"),
        shapes.invoiceitem(7),
    ]
    return {
        one["object"]: versions.render(one, VERSION, lambda name: price, "http://host")
        for one in made
    }


def _differences(real: Any, ours: Any, where: str) -> Iterator[str]:
    """Fields ours lacks, and values of another type; what is null says nothing."""
    if isinstance(real, dict) and isinstance(ours, dict):
        for name in real.keys() - {"metadata"}:
            if name not in ours:
                yield f"{where}.{name}"
            else:
                yield from _differences(real[name], ours[name], f"{where}.{name}")
    elif isinstance(real, list) and isinstance(ours, list):
        if real and ours:
            yield from _differences(real[0], ours[0], f"{where}[]")
    elif real is not None and ours is not None and type(real) is not type(ours):
        yield f"{where}: {real!r} and {ours!r}"


def _events() -> list[Json]:
    if not FILE.exists():
        return []
    events: dict[str, Json] = json.loads(FILE.read_text())
    ours = _ours()
    return [
        event
        for event in events.values()
        if event.get("api_version") == VERSION
        and event["data"]["object"]["object"] in ours
    ]


@pytest.mark.parametrize("event", _events(), ids=lambda event: event["type"])
def test_shape_is_that_of_a_real_event(event: Json) -> None:
    real = event["data"]["object"]
    ours = _ours()[real["object"]]
    found = set(_differences(real, ours, real["object"]))
    assert found - _LEFT_OUT == set()
    assert event.keys() <= shapes.event(7, type="", data={}, request={}).keys()
