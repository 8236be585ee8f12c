"""The gateway against the fake Stripe: objects, money, errors, deadlines and keys."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from billing import gateway
from billing.gateway import calls, throttle
from billing.gateway.nodes import Node
from tests.factories import NOW
from tests.support.fake_stripe import (
    KEY,
    FakeStripe,
    make_customer,
    make_price,
    make_subscription,
)


@pytest.fixture(autouse=True)
def short_waits(fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten timeouts and waits, so that retries take less time."""
    monkeypatch.setattr(calls, "TIMEOUT_SECONDS", 1.5)
    monkeypatch.setattr(calls, "DEADLINE_SECONDS", 1.5)
    monkeypatch.setattr(calls, "FIRST_WAIT_SECONDS", 0.02)


@pytest.fixture
def fake(fake_stripe: FakeStripe) -> Iterator[FakeStripe]:
    yield fake_stripe
    fake_stripe.control("script", api=[])


def test_customer_is_created_found_and_changed(fake: FakeStripe) -> None:
    created = gateway.create_customer(
        name="Org 7",
        email="pay@org-7.example",
        metadata={gateway.ORGANIZATION: "7"},
        key="customer-7",
    )
    make_customer(fake, "decoy@example.com")

    assert created.organization_id == 7
    assert gateway.get_customer(created.id) == created
    assert gateway.list_customers(email="pay@org-7.example").items == (created,)
    changed = gateway.update_customer(created.id, name="Org Seven", key="rename-1")
    assert (changed.name, changed.organization_id) == ("Org Seven", 7)


def test_deleted_customer_is_marked_as_deleted(fake: FakeStripe) -> None:
    id_ = make_customer(fake).id
    fake.client().v1.customers.delete(id_)

    assert gateway.get_customer(id_).is_deleted


@pytest.mark.parametrize(
    ("currency", "minor", "major"),
    [("usd", 2900, "29.00"), ("jpy", 500, "500"), ("kwd", 1230, "1.230")],
)
def test_price_has_the_kind_tier_and_cycle_of_its_product(
    fake: FakeStripe, currency: str, minor: int, major: str
) -> None:
    price = make_price(fake, minor, currency=currency, interval="year")

    read = gateway.get_price(price.id)

    assert (read.kind, read.tier) == ("platform", "growth")
    assert (read.interval, read.interval_count) == ("year", 1)
    assert str(read.unit_amount) == major
    assert gateway.list_prices().items == (read,)


def test_subscription_has_its_period_on_the_item(fake: FakeStripe) -> None:
    price = make_price(fake, kind="spaces", tier="team")
    trial_end = int((NOW + timedelta(days=14)).timestamp())
    created = make_subscription(
        fake, items=[{"price": price.id, "quantity": 11}], trial_end=trial_end
    )

    subscription = gateway.get_subscription(created.id)

    assert (subscription.status, subscription.item.quantity) == ("trialing", 11)
    assert subscription.item.period_starts_at == NOW
    assert subscription.item.period_ends_at == NOW + timedelta(days=14)
    assert subscription.trial_ends_at == NOW + timedelta(days=14)
    assert not subscription.is_paused


def test_subscription_is_paused_resumed_canceled_and_moved(fake: FakeStripe) -> None:
    small, big = make_price(fake), make_price(fake, 9900, tier="scale")
    customer = make_customer(fake).id
    created = gateway.create_subscription(customer, price_id=small.id, key="start-1")

    paused = gateway.pause_subscription(created.id, reason="unpaid", key="pause-1")
    assert (paused.is_paused, paused.pause_reason) == (True, "unpaid")
    resumed = gateway.resume_subscription(created.id, key="resume-1")
    assert (resumed.is_paused, resumed.pause_reason) == (False, "")
    ends_at = NOW + timedelta(days=20)
    ending = gateway.update_subscription(created.id, cancels_at=ends_at, key="cancel-1")
    assert ending.cancels_at == ends_at
    continuing = gateway.update_subscription(
        created.id, cancels_at="never", key="keep-1"
    )
    assert continuing.cancels_at is None
    preview = gateway.preview_change(
        created.id, item_id=created.item.id, price_id=big.id, at=NOW
    )
    prorated = sum(line.amount for line in preview.lines if line.is_proration)
    assert prorated == Decimal("70.00")
    moved = gateway.update_subscription(
        created.id,
        item_id=created.item.id,
        price_id=big.id,
        key="move-1",
        proration="none",
    )
    assert moved.item.price_id == big.id
    fake.client().v1.subscriptions.cancel(created.id)
    listed = gateway.list_subscriptions(customer_id=customer)
    assert [item.status for item in listed.items] == ["canceled"]


def test_invoice_items_are_added_to_drafts_only_and_once(fake: FakeStripe) -> None:
    created = make_subscription(fake)
    fake.advance(days=30, hours=0.5)
    draft = gateway.list_invoices(subscription_id=created.id).items[0]
    assert (draft.status, draft.billing_reason) == ("draft", "subscription_cycle")
    item: dict[str, Any] = {
        "customer_id": created.customer,
        "invoice_id": draft.id,
        "amount": Decimal("12.34"),
        "currency": "usd",
        "description": "gpt",
        "metadata": {"orgdesk_product": "gpt"},
    }

    first = gateway.create_invoice_item(key="charge-1", **item)
    again = gateway.create_invoice_item(key="charge-1", **item)

    assert again == first
    assert list(gateway.list_invoice_items(invoice_id=draft.id)) == [first]
    assert gateway.get_invoice(draft.id).total == Decimal("41.34")
    fake.client().v1.invoices.finalize_invoice(draft.id)
    assert gateway.get_invoice(draft.id).status == "open"
    with pytest.raises(gateway.Refused):
        gateway.create_invoice_item(key="charge-2", **item)
    with pytest.raises(ValueError, match="not rounded"):
        gateway.create_invoice_item(key="c", **(item | {"amount": Decimal("0.001")}))


def test_list_is_read_page_by_page(fake: FakeStripe) -> None:
    created = {make_customer(fake, f"{n}@example.com").id for n in range(7)}

    first = gateway.list_customers(limit=5)
    second = gateway.list_customers(limit=5, after=first.next_cursor)

    assert (len(first.items), len(second.items)) == (5, 2)
    assert {customer.id for customer in first.items + second.items} == created
    assert second.next_cursor == ""


@pytest.mark.parametrize(
    "name",
    ["customer", "status", "items", "cancel_at", "trial_end", "pause_collection",
     "metadata", "currency", "created", "latest_invoice", "cancel_at_period_end"],
)  # fmt: skip
def test_subscription_without_a_field_is_malformed(fake: FakeStripe, name: str) -> None:
    raw = _raw(fake, "subscriptions", make_subscription(fake).id)
    del raw[name]

    with pytest.raises(gateway.Malformed, match=rf"subscription\.{name}"):
        gateway.Subscription.read(Node(raw, "subscription"))


@pytest.mark.parametrize("name", ["current_period_start", "current_period_end"])
def test_period_on_the_subscription_itself_is_malformed(
    fake: FakeStripe, name: str
) -> None:
    """API versions before 2025 had it there."""
    raw = _raw(fake, "subscriptions", make_subscription(fake).id)
    raw[name] = raw["items"]["data"][0].pop(name)

    with pytest.raises(gateway.Malformed) as caught:
        gateway.Subscription.read(Node(raw, "subscription"))

    assert caught.value.path == f"subscription.items.data[0].{name}"


@pytest.mark.parametrize(
    "name",
    ["customer", "status", "parent", "currency", "total", "amount_due", "amount_paid",
     "lines", "period_end", "due_date", "status_transitions", "number"],
)  # fmt: skip
def test_invoice_without_a_field_is_malformed(fake: FakeStripe, name: str) -> None:
    created = make_subscription(fake)
    raw = _raw(fake, "invoices", str(created.latest_invoice))
    del raw[name]

    with pytest.raises(gateway.Malformed, match=rf"invoice\.{name}"):
        gateway.Invoice.read(Node(raw, "invoice"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("currency", "xyz"), ("total", "12"), ("total", 1.5), ("total", True),
     ("created", -1), ("created", 10**14), ("status", "half"), ("amount_due", -1)],
)  # fmt: skip
def test_wrong_value_is_malformed(fake: FakeStripe, name: str, value: object) -> None:
    created = make_subscription(fake)
    raw = _raw(fake, "invoices", str(created.latest_invoice)) | {name: value}

    with pytest.raises(gateway.Malformed, match=rf"invoice\.{name}"):
        gateway.Invoice.read(Node(raw, "invoice"))


def test_page_returns_an_error_for_each_malformed_object(fake: FakeStripe) -> None:
    good, bad = make_subscription(fake), make_subscription(fake)
    fake.change(bad.id, currency="xyz")

    page = gateway.list_subscriptions()

    assert [item.id for item in page.items] == [good.id]
    assert [error.path for error in page.malformed] == ["subscription.currency"]


def _raw(fake: FakeStripe, kind: str, id_: str) -> dict[str, Any]:
    """Return an object as JSON."""
    answer = fake.client().raw_request("get", f"/v1/{kind}/{id_}")
    return dict(answer.data)


def test_unknown_id_is_missing(fake: FakeStripe) -> None:
    with pytest.raises(gateway.Missing):
        gateway.get_customer("cus_unknown")


@pytest.mark.parametrize(
    "id_", ["", "../events", "cus_1/sources", "cus?x=1", "a" * 256]
)
def test_impossible_id_sends_no_request(fake: FakeStripe, id_: str) -> None:
    with pytest.raises(gateway.Missing):
        gateway.get_customer(id_)

    assert fake.requests() == []


def test_refusal_has_the_code_and_parameter_of_stripe(fake: FakeStripe) -> None:
    with pytest.raises(gateway.Refused) as caught:
        gateway.create_subscription(make_customer(fake).id, price_id="price_0", key="x")

    assert (caught.value.code, caught.value.param) == (
        "resource_missing",
        "items[0][price]",
    )


def test_idempotency_key_is_refused_for_another_request(fake: FakeStripe) -> None:
    gateway.create_customer(name="A", email="", metadata={}, key="same")

    with pytest.raises(gateway.Refused, match=r"[Kk]ey") as caught:
        gateway.create_customer(name="B", email="", metadata={}, key="same")

    assert caught.value.code == "idempotency_error"


def test_refused_secret_key_is_not_shown(
    fake: FakeStripe, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.STRIPE_SECRET_KEY = "wrong_key_4711"

    with pytest.raises(gateway.Unavailable) as caught:
        gateway.list_customers()

    assert caught.value.code == "stripe.key_refused"
    assert "4711" not in f"{caught.value!r} {caught.value} {caplog.text}"
    assert len(fake.requests("/v1/customers")) <= 1


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "rate_limit"},
        {"do": "error", "status": 500},
        {"do": "error", "status": 503},
        {"do": "conflict"},
        {"do": "truncate"},
        {"do": "garbage"},
        {"do": "disconnect_before"},
        {"do": "disconnect_after"},
        {"do": "hang", "seconds": 2},
    ],
    ids=lambda fault: f"{fault['do']}",
)
def test_failed_write_is_retried_with_the_same_key(
    fake: FakeStripe, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "DEADLINE_SECONDS", 9)
    fake.control("script", api=[{**fault, "path": "/v1/customers", "times": 1}])

    created = gateway.create_customer(name="Once", email="", metadata={}, key="once-1")

    assert [customer["id"] for customer in fake.objects("customer")] == [created.id]
    posts = fake.requests("/v1/customers", "POST")
    assert {post["idempotency_key"] for post in posts} == {"once-1"}
    assert len(posts) == 2


def test_retries_end_at_the_deadline(fake: FakeStripe) -> None:
    fake.fault("error", "/v1/customers", status=500, times=0)
    began = time.monotonic()

    with pytest.raises(gateway.Unavailable) as caught:
        gateway.list_customers()

    assert 0.7 < time.monotonic() - began < 9
    assert caught.value.is_retryable
    assert len(fake.requests("/v1/customers")) > 2


def test_error_replayed_under_the_key_is_not_retried(fake: FakeStripe) -> None:
    fake.fault("error_saved", "/v1/customers", times=1)

    with pytest.raises(gateway.Unavailable):
        gateway.create_customer(name="A", email="", metadata={}, key="doomed")

    assert len(fake.requests("/v1/customers", "POST")) == 2


def test_calls_are_throttled_across_processes(
    fake: FakeStripe, settings: Settings
) -> None:
    """Ten calls a second with a burst of ten: fifteen take half a second."""
    settings.STRIPE_CALLS_PER_SECOND = 10
    began = time.monotonic()

    for _ in range(15):
        throttle.wait_for_token()

    assert 0.35 < time.monotonic() - began < 5


@pytest.mark.usefixtures("without_valkey")
def test_each_process_throttles_its_calls_without_valkey(settings: Settings) -> None:
    settings.STRIPE_CALLS_PER_SECOND = 10
    began = time.monotonic()

    for _ in range(13):
        throttle.wait_for_token()

    assert 0.2 < time.monotonic() - began < 5


def test_requests_name_the_pinned_version(fake: FakeStripe) -> None:
    import stripe  # noqa: PLC0415

    gateway.list_customers()

    assert fake.requests("/v1/customers")[0]["version"] == "2026-10-28.endive"
    assert stripe.api_version == gateway.API_VERSION
    assert KEY not in repr(calls.get("/v1/customers"))


_BODY = b'{"id": "evt_1", "object": "event", "type": "x"}'


def _signature_header(
    body: bytes = _BODY, *, secret: str = "whsec_1", at: datetime = NOW
) -> str:
    """Return a signature header as Stripe's SDK makes it."""
    import stripe  # noqa: PLC0415

    seconds = int(at.timestamp())
    header: str = stripe.WebhookSignature.generate_signature_header(
        body.decode(), secret, seconds
    )
    return header


def test_signature_of_either_secret_is_accepted() -> None:
    for secret in ("whsec_1", "whsec_2"):
        header = _signature_header(secret=secret)
        gateway.verify(_BODY, header, ["whsec_2", "whsec_1"], NOW)


@pytest.mark.parametrize("seconds", [-300, -299, 0, 10])
def test_recent_signature_is_accepted(seconds: int) -> None:
    at = NOW + timedelta(seconds=seconds)
    gateway.verify(_BODY, _signature_header(at=at), ["whsec_1"], NOW)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=",
        "v1=abc",
        f"t={int(NOW.timestamp())}",
        "t=now,v1=" + "0" * 64,
        _signature_header().replace("v1=", "v0="),
        _signature_header(b"other"),
        _signature_header(secret="whsec_0"),
        _signature_header(at=NOW - timedelta(seconds=301)),
        _signature_header(at=NOW + timedelta(seconds=60)),
        _signature_header(at=NOW + timedelta(days=1)),
        _signature_header() + ",t=1",
        _signature_header().replace("v1=", "v1=é"),
        "t=١٢٣,v1=" + "0" * 64,
        "t=-1,v1=" + "0" * 64,
        "t=" + "9" * 5_000,
        "," * 10_000,
        "\udcff",
    ],
)
def test_other_signature_is_refused(header: str) -> None:
    with pytest.raises(gateway.BadSignature):
        gateway.verify(_BODY, header, ["whsec_1"], NOW)


def test_timestamp_is_in_whole_seconds() -> None:
    assert calls.timestamp(datetime(2026, 11, 21, 12, tzinfo=UTC)) == 1795262400
