"""Objects of the fake Stripe have exactly the fields and types of the SDK."""

import json
import types
import typing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.support.fake_stripe import FakeStripe, Json, make_subscription

_PLAIN: dict[Any, tuple[type, ...]] = {
    str: (str,),
    bool: (bool,),
    float: (int, float),
    type(None): (type(None),),
    Decimal: (str,),  # decimals travel as text
}


def differences(value: Any, kind: Any, where: str) -> list[str]:
    """Return where a JSON value differs from a type: missing, unknown, mistyped."""
    origin = typing.get_origin(kind)
    if origin in {typing.Union, types.UnionType}:
        candidates = [differences(value, one, where) for one in _members(kind)]
        return min(candidates, key=len)
    if origin is list:
        return _of_list(value, typing.get_args(kind)[0], where)
    if isinstance(value, dict):
        return _of_dict(value, kind, where)
    return _of_plain(value, kind, where)


def _members(kind: Any) -> list[Any]:
    """Return the types of a union; listed values leave no room for any other text."""
    members = list(typing.get_args(kind))
    if any(typing.get_origin(one) is typing.Literal for one in members):
        return [one for one in members if one is not str]
    return members


def _of_plain(value: Any, kind: Any, where: str) -> list[str]:
    if typing.get_origin(kind) is typing.Literal:
        good = value in typing.get_args(kind)
    elif kind is int:
        good = isinstance(value, int) and not isinstance(value, bool)
    else:
        good = isinstance(value, _PLAIN.get(kind, ()))
    # A union differs as little as its closest member: a scalar is far from an object.
    return [] if good else [f"{where}: {value!r} is none of {kind}"] * 9


def _of_dict(value: Json, kind: Any, where: str) -> list[str]:
    origin = typing.get_origin(kind)
    if isinstance(kind, typing.ForwardRef):
        kind = kind.__forward_arg__
    if isinstance(kind, str):
        kind = getattr(stripe, kind, int)
    if isinstance(origin, type) and issubclass(origin, stripe.ListObject):
        return _of_list(value["data"], typing.get_args(kind)[0], where)
    if isinstance(origin, type) and issubclass(origin, stripe.StripeObject):
        return []  # any keys, as in metadata
    if isinstance(kind, type) and issubclass(kind, stripe.StripeObject):
        return _of_object(value, kind, where)
    return [f"{where}: {value!r} is none of {kind}"] * 9


def _of_list(value: Any, kind: Any, where: str) -> list[str]:
    if not isinstance(value, list):
        return [f"{where}: {value!r} is no list"]
    return [
        difference
        for number, one in enumerate(value)
        for difference in differences(one, kind, f"{where}[{number}]")
    ]


def _of_object(value: Json, kind: type, where: str) -> list[str]:
    hints = {
        name: hint
        for name, hint in kind.__annotations__.items()
        if "ClassVar" not in str(hint) and not name.startswith("_")
    }
    problems = [f"{where}.{name}: unknown" for name in value.keys() - hints.keys()]
    for name, hint in hints.items():
        if name in value:
            problems += differences(value[name], hint, f"{where}.{name}")
        elif type(None) not in typing.get_args(hint):
            problems.append(f"{where}.{name}: missing")
    return problems


@pytest.fixture
def filled(fake_stripe: FakeStripe) -> FakeStripe:
    """Fill the fake Stripe with objects of every kind in every state."""
    client = fake_stripe.client()
    one = make_subscription(fake_stripe)
    make_subscription(fake_stripe, trial_period_days=5, cancel_at_period_end=True)
    sent = make_subscription(
        fake_stripe, collection_method="send_invoice", days_until_due=5
    )
    client.v1.subscriptions.update(
        sent.id,
        {
            "pause_collection": {"behavior": "void"},
            "cancellation_details": {"comment": "dear"},
        },
    )
    items: Any = [{"id": one["items"].data[0].id, "quantity": 4}]
    client.v1.subscriptions.update(one.id, {"items": items})
    client.v1.invoice_items.create(
        {"customer": str(one.customer), "amount": 7, "currency": "usd"}
    )
    fake_stripe.advance(days=31)
    client.v1.subscriptions.cancel(sent.id)
    _give_back(fake_stripe)
    return fake_stripe


def _give_back(fake: FakeStripe) -> None:
    """Refund, dispute and credit what was paid, and credit what is still open."""
    client = fake.client().v1
    charge = fake.objects("charge")[0]
    client.refunds.create({"charge": charge["id"], "amount": 100})
    fake.control("dispute", charge=charge["id"], amount=200)
    invoices = fake.objects("invoice")
    paid = next(one for one in invoices if one["status"] == "paid" and one["total"])
    note: Any = {"invoice": paid["id"], "amount": 50, "refund_amount": 50}
    client.credit_notes.create(note)


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        (stripe.Customer, 3),
        (stripe.Product, 3),
        (stripe.Price, 3),
        (stripe.Subscription, 3),
        (stripe.Invoice, 5),
        (stripe.InvoiceItem, 3),
        (stripe.Charge, 2),
        (stripe.InvoicePayment, 2),
        (stripe.Refund, 2),
        (stripe.Dispute, 1),
        (stripe.CreditNote, 1),
        (stripe.Event, 40),
    ],
)
def test_shapes_are_those_of_the_sdk(filled: FakeStripe, kind: Any, count: int) -> None:
    objects = filled.objects(kind.OBJECT_NAME)
    assert len(objects) >= count
    wrong = {
        difference
        for one in objects
        for difference in differences(one, kind, kind.__name__)
        if not difference.startswith("Event.data.object")
    }
    assert wrong == set()


def test_differences_are_detected(filled: FakeStripe) -> None:
    """The check itself finds each kind of mistake as one difference."""
    subscription: Json = filled.objects("subscription")[0]
    item = subscription["items"]["data"][0]
    item["current_period_end"] = "soon"
    del item["plan"]
    subscription["created"] = None
    subscription["nap"] = 7

    wrong = differences(subscription, stripe.Subscription, "sub")

    assert sorted({one.partition(":")[0] for one in wrong}) == [
        "sub.created",
        "sub.items[0].current_period_end",
        "sub.items[0].plan",
        "sub.nap",
    ]


def test_events_show_their_object_as_it_was(filled: FakeStripe) -> None:
    event = filled.events("customer.subscription.created")[0]
    wrong = differences(event["data"]["object"], stripe.Subscription, "sub")
    assert wrong == []
    assert event["data"]["object"]["items"]["data"][0]["quantity"] == 1


def test_unlisted_values_are_seen(filled: FakeStripe) -> None:
    invoice: Json = filled.objects("invoice")[0]
    invoice |= {"status": "half", "billing_reason": "whim"}

    wrong = differences(invoice, stripe.Invoice, "invoice")

    assert {one.partition(":")[0] for one in wrong} == {
        "invoice.status",
        "invoice.billing_reason",
    }


# Published by Stripe: the fields of one object of each kind in the newest version.
PUBLISHED = json.loads((Path(__file__).parent / "stripe_fields.json").read_text())
# Fields that only an expansion shows, or that are not part of the pinned version.
_EXPANDED = {"invoice": {"subscription", "payments"}, "charge": {"refunds"}}
# Kinds that are shown inside of other objects: those objects, and where.
_INSIDE = {
    "subscription_item": ("subscription", "items"),
    "line_item": ("invoice", "lines"),
}


def shown(fake: FakeStripe, kind: str) -> list[Json]:
    """Return all objects of a kind that the fake shows."""
    if kind not in _INSIDE:
        return fake.objects(kind)
    parent, name = _INSIDE[kind]
    return [row for one in fake.objects(parent) for row in one[name]["data"]]


@pytest.mark.parametrize("kind", sorted(PUBLISHED["fields"]))
def test_no_field_of_the_published_objects_is_missing(
    filled: FakeStripe, kind: str
) -> None:
    published = set(PUBLISHED["fields"][kind]) - _EXPANDED.get(kind, set())
    objects = shown(filled, kind)

    assert objects
    missing = {name for one in objects for name in published - one.keys()}
    assert missing == set()
