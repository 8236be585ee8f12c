"""API of the fake Stripe: lists, cursors, errors, keys, versions and faults."""

import base64
import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
import stripe

from config.dev.fakestripe import versions
from tests.support.fake_stripe import (
    KEY,
    FakeStripe,
    Json,
    make_customer,
    make_price,
    make_subscription,
)

NOON = 1795262400  # 21 November 2026


class Raw:
    """HTTP client without the SDK that returns status, JSON and headers unchanged."""

    def __init__(self, fake: FakeStripe) -> None:
        self.client = http.client.HTTPConnection(fake.url.removeprefix("http://"))

    def __call__(
        self, method: str, path: str, params: Any = (), **headers: str
    ) -> tuple[int, Json, dict[str, str]]:
        known = {"Authorization": f"Bearer {KEY}"}
        known |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = urlencode(params) if method == "POST" else None
        self.client.request(method, path, body, known)
        answer = self.client.getresponse()
        shown = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, json.loads(answer.read()), shown


@pytest.fixture
def raw(fake_stripe: FakeStripe) -> Iterator[Raw]:
    client = Raw(fake_stripe)
    yield client
    client.client.close()


def _customers(fake: FakeStripe, *seconds: int) -> None:
    fake.load(
        *(
            {"object": "customer", "id": f"cus_{number}", "created": NOON + second}
            for number, second in enumerate(seconds)
        )
    )


def _ids(answer: Json) -> list[str]:
    return [one["id"] for one in answer["data"]]


def test_lists_are_newest_first_also_within_a_second(
    fake_stripe: FakeStripe, raw: Raw
) -> None:
    _customers(fake_stripe, 5, 9, 5, 5, 1)

    _, body, _ = raw("GET", "/v1/customers")

    assert _ids(body) == ["cus_1", "cus_3", "cus_2", "cus_0", "cus_4"]
    assert (body["object"], body["has_more"]) == ("list", False)
    assert body["url"] == "/v1/customers"


def test_cursors_go_both_ways_within_a_second(
    fake_stripe: FakeStripe, raw: Raw
) -> None:
    _customers(fake_stripe, 5, 9, 5, 5, 1)

    _, after, _ = raw("GET", "/v1/customers?limit=2&starting_after=cus_3")
    _, before, _ = raw("GET", "/v1/customers?limit=2&ending_before=cus_0")

    assert (_ids(after), after["has_more"]) == (["cus_2", "cus_0"], True)
    assert (_ids(before), before["has_more"]) == (["cus_3", "cus_2"], True)


def test_every_object_is_listed_once(fake_stripe: FakeStripe) -> None:
    _customers(fake_stripe, *[7] * 250)
    customers = fake_stripe.client().v1.customers.list({"limit": 100})
    ids = [one.id for one in customers.auto_paging_iter()]
    assert ids == [f"cus_{number}" for number in reversed(range(250))]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ({"created[gte]": NOON + 5, "created[lt]": NOON + 9}, ["cus_1", "cus_0"]),
        ({"created[gt]": NOON + 5}, ["cus_2"]),
        ({"created[lte]": NOON + 5}, ["cus_1", "cus_0"]),
        ({"created": NOON + 9}, ["cus_2"]),
    ],
)
def test_created_ranges(
    fake_stripe: FakeStripe, raw: Raw, span: Json, expected: list[str]
) -> None:
    _customers(fake_stripe, 5, 5, 9)
    _, body, _ = raw("GET", f"/v1/customers?{urlencode(span)}")
    assert _ids(body) == expected


INTEGER = "parameter_invalid_integer"


@pytest.mark.parametrize(
    ("path", "code", "param"),
    [
        ("customers?limit=0", INTEGER, "limit"),
        ("customers?limit=101", INTEGER, "limit"),
        ("customers?limit=x", INTEGER, "limit"),
        ("customers?foo=1", "parameter_unknown", "foo"),
        ("customers?starting_after=no", "resource_missing", "starting_after"),
        ("invoices?status=late", None, "status"),
        ("invoices?created[since]=7", "parameter_unknown", "created[since]"),
        ("customers?expand[]=data.email", None, "expand"),
        ("customers/cus_none", "resource_missing", "id"),
    ],
)
def test_refused_reads_name_the_parameter(
    raw: Raw, path: str, code: str | None, param: str
) -> None:
    status, body, headers = raw("GET", f"/v1/{path}")

    error = body["error"]
    assert status == (404 if "none" in path else 400)
    assert (error.get("code"), error["param"]) == (code, param)
    assert error["type"] == "invalid_request_error"
    assert headers["request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("path", "params", "code", "param"),
    [
        ("customers", {"email": "x"}, "email_invalid", "email"),
        ("customers", {"metadata": "x"}, None, "metadata"),
        ("customers", {"balance": ""}, "parameter_invalid_empty", "balance"),
        ("subscriptions", {}, "parameter_missing", "customer"),
        (
            "subscriptions",
            {"customer": "x", "items[0][prise]": "p"},
            "parameter_unknown",
            "items[0][prise]",
        ),
        (
            "invoiceitems",
            {"customer": "cus_none", "amount": 7},
            "resource_missing",
            "customer",
        ),
    ],
)
def test_refused_writes_name_the_parameter(
    raw: Raw, path: str, params: Json, code: str | None, param: str
) -> None:
    status, body, _ = raw("POST", f"/v1/{path}", params)
    error = body["error"]
    assert (status, error.get("code"), error["param"]) == (400, code, param)


@pytest.mark.parametrize(
    "header", ["", "Bearer ", "Bearer pk_test_1", "Basic !", "Bearer sk_test_expired"]
)
def test_call_without_a_valid_key_is_401(raw: Raw, header: str) -> None:
    status, body, _ = raw("GET", "/v1/customers", Authorization=header)
    assert (status, body["error"]["type"]) == (401, "invalid_request_error")


def test_key_can_be_the_user_name_of_basic_authentication(raw: Raw) -> None:
    user = base64.b64encode(f"{KEY}:".encode()).decode()
    assert raw("GET", "/v1/customers", Authorization=f"Basic {user}")[0] == 200


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}]
)
def test_requests_from_other_sites_are_refused(
    raw: Raw, headers: dict[str, str]
) -> None:
    assert raw("POST", "/_fake/reset", **headers)[0] == 403


def test_unknown_version_is_refused(raw: Raw) -> None:
    status, body, _ = raw("GET", "/v1/customers", Stripe_Version="2025-01-01")
    assert status == 400
    assert body["error"]["message"] == "Invalid Stripe API version: 2025-01-01"


# --- Idempotency ------------------------------------------------------------------


def test_same_key_returns_the_first_response_again(raw: Raw) -> None:
    first = raw("POST", "/v1/customers", {"name": "Ann"}, Idempotency_Key="k-7")
    again = raw("POST", "/v1/customers", {"name": "Ann"}, Idempotency_Key="k-7")

    assert again[:2] == first[:2]
    assert again[2]["idempotent-replayed"] == "true"
    assert again[2]["original-request"] == first[2]["request-id"]
    assert len(raw("GET", "/v1/customers")[1]["data"]) == 1


def test_same_key_with_other_parameters_is_refused(raw: Raw) -> None:
    raw("POST", "/v1/customers", {"name": "Ann"}, Idempotency_Key="k-7")
    status, body, _ = raw("POST", "/v1/customers", {"name": "B"}, Idempotency_Key="k-7")
    assert (status, body["error"]["type"]) == (400, "idempotency_error")


def test_parallel_calls_with_one_key_create_one_object(fake_stripe: FakeStripe) -> None:
    def create(number: int) -> str:
        client = Raw(fake_stripe)
        answer = client("POST", "/v1/customers", {"name": "A"}, Idempotency_Key="k-7")
        client.client.close()
        return str(answer[1]["id"])

    with ThreadPoolExecutor(16) as pool:
        ids = set(pool.map(create, range(48)))

    assert [one["id"] for one in fake_stripe.objects("customer")] == list(ids)


def test_keys_expire_after_a_day(fake_stripe: FakeStripe, raw: Raw) -> None:
    first = raw("POST", "/v1/customers", {"name": "Ann"}, Idempotency_Key="k-7")[1]
    fake_stripe.advance(hours=23)
    repeated = raw("POST", "/v1/customers", {"name": "Ann"}, Idempotency_Key="k-7")[1]
    fake_stripe.advance(hours=2)
    later = raw("POST", "/v1/customers", {"name": "Ann"}, Idempotency_Key="k-7")[1]

    assert repeated["id"] == first["id"] != later["id"]


def test_refused_parameters_are_not_stored_under_the_key(raw: Raw) -> None:
    refused = raw("POST", "/v1/customers", {"nome": "Ann"}, Idempotency_Key="k-7")
    made = raw("POST", "/v1/customers", {"name": "Ann"}, Idempotency_Key="k-7")
    assert (refused[0], made[0]) == (400, 200)


def test_a_500_inside_the_call_is_stored_under_the_key(
    fake_stripe: FakeStripe, raw: Raw
) -> None:
    fake_stripe.fault("error_saved")
    answers = [
        raw("POST", "/v1/customers", {"name": "Ann"}, Idempotency_Key=key)[0]
        for key in ("k-7", "k-7", "k-8")
    ]
    assert answers == [500, 500, 200]


# --- Faults -----------------------------------------------------------------------


def test_rate_limit_fault_applies_to_the_next_calls(
    fake_stripe: FakeStripe, raw: Raw
) -> None:
    fake_stripe.fault("rate_limit", times=2)
    answers = [raw("GET", "/v1/customers") for _ in range(3)]
    assert [status for status, _, _ in answers] == [429, 429, 200]
    assert answers[0][1]["error"]["code"] == "rate_limit"
    assert answers[0][2]["retry-after"] == "1"


def test_connection_cut_after_the_commit_leaves_one_object(
    fake_stripe: FakeStripe,
) -> None:
    fake_stripe.fault("disconnect_after", "/v1/customers", method="POST")
    client = fake_stripe.client()
    params: Any = {"name": "Ann"}
    options: Any = {"idempotency_key": "k-7"}

    with pytest.raises(stripe.APIConnectionError):
        client.v1.customers.create(params, options)
    made = client.v1.customers.create(params, options)

    assert [one.id for one in client.v1.customers.list().data] == [made.id]


@pytest.mark.parametrize(
    ("fault", "done"),
    [("disconnect_before", 0), ("error", 0), ("truncate", 1), ("garbage", 1)],
)
def test_broken_responses_raise_errors_of_the_sdk(
    fake_stripe: FakeStripe, fault: str, done: int
) -> None:
    fake_stripe.fault(fault, method="POST")
    client = fake_stripe.client()

    with pytest.raises((stripe.APIConnectionError, stripe.APIError)):
        client.v1.customers.create({"name": "Ann"})

    assert len(client.v1.customers.list().data) == done


def test_fault_can_let_calls_pass_first(fake_stripe: FakeStripe, raw: Raw) -> None:
    fake_stripe.fault("error", "/v1/prices*", skip=1, status=503)
    paths = ["/v1/prices", "/v1/customers", "/v1/prices", "/v1/prices"]
    assert [raw("GET", path)[0] for path in paths] == [200, 200, 503, 200]


def test_hang_and_latency_delay_no_other_request(
    fake_stripe: FakeStripe, raw: Raw
) -> None:
    fake_stripe.fault("hang", seconds=0.3)
    began = time.monotonic()
    with pytest.raises(http.client.RemoteDisconnected):
        raw("GET", "/v1/customers")
    assert 0.3 <= time.monotonic() - began < 3


def test_calls_are_logged(fake_stripe: FakeStripe) -> None:
    options: Any = {"idempotency_key": "k-7"}
    fake_stripe.client().v1.customers.create({"metadata": {"a": "7"}}, options)
    [call] = fake_stripe.requests("/v1/customers", "POST")
    assert call["params"] == [["metadata[a]", "7"]]
    assert call["idempotency_key"] == "k-7"
    assert call["version"] == "2026-10-28.endive"


# --- Versions, expand -------------------------------------------------------------


def test_newest_version_is_the_one_of_the_sdk() -> None:
    assert stripe.api_version == versions.NEWEST


def test_period_is_placed_as_in_each_version(fake_stripe: FakeStripe) -> None:
    subscription = make_subscription(fake_stripe)
    shown = {
        version: fake_stripe.client(version)
        .v1.subscriptions.retrieve(subscription.id)
        .to_dict()
        for version in ("2020-08-27", "2025-03-31.basil", "2026-10-28.endive")
    }

    old, basil, new = shown.values()
    assert old["current_period_end"] == 1797854400
    assert "current_period_end" not in old["items"]["data"][0]
    for one in (basil, new):
        assert one["items"]["data"][0]["current_period_end"] == 1797854400
        assert "current_period_end" not in one
    assert "billing_mode" not in basil
    assert new["billing_mode"]["type"] == "flexible"


def test_invoice_names_its_subscription_as_in_each_version(
    fake_stripe: FakeStripe,
) -> None:
    subscription = make_subscription(fake_stripe)
    invoice = str(subscription.latest_invoice)
    old, new = (
        fake_stripe.client(version).v1.invoices.retrieve(invoice).to_dict()
        for version in ("2024-06-20", "2025-03-31.basil")
    )

    assert (old["subscription"], old["paid"]) == (subscription.id, True)
    assert old["lines"]["data"][0]["price"]["unit_amount"] == 2900
    assert "parent" not in old
    details = new["parent"]["subscription_details"]
    assert details["subscription"] == subscription.id
    assert not {"subscription", "paid", "charge"} & new.keys()


def test_expand_puts_objects_in_place_of_ids(fake_stripe: FakeStripe) -> None:
    subscription = make_subscription(fake_stripe)
    paths = ["data.customer", "data.latest_invoice", "data.items.data.price.product"]
    [listed] = fake_stripe.client().v1.subscriptions.list({"expand": paths}).data

    shown = listed.to_dict()
    assert shown["customer"]["email"] == "ann@example.com"
    assert shown["latest_invoice"]["status"] == "paid"
    product = shown["items"]["data"][0]["price"]["product"]
    assert product["metadata"]["orgdesk_tier"] == "growth"
    assert listed.id == subscription.id


def test_long_invoice_shows_ten_lines_and_lists_them_all(
    fake_stripe: FakeStripe,
) -> None:
    lines = [{"amount": number} for number in range(12)]
    fake_stripe.load(
        {"object": "customer", "id": "cus_7"},
        {"object": "invoice", "id": "in_7", "customer": "cus_7", "lines": lines},
    )
    client = fake_stripe.client()

    invoice = client.v1.invoices.retrieve("in_7")
    assert (len(invoice.lines.data), invoice.lines.has_more) == (10, True)
    pages = client.v1.invoices.line_items.list("in_7", {"limit": 5})
    assert [line.amount for line in pages.auto_paging_iter()] == list(range(12))
    assert invoice.total == 66


def test_subscriptions_are_listed_by_status_and_price(
    fake_stripe: FakeStripe, raw: Raw
) -> None:
    client = fake_stripe.client()
    active = make_subscription(fake_stripe)
    ended = make_subscription(fake_stripe)
    client.v1.subscriptions.cancel(ended.id)
    price = ended["items"].data[0].price.id

    assert _ids(raw("GET", "/v1/subscriptions")[1]) == [active.id]
    everything = _ids(raw("GET", "/v1/subscriptions?status=all")[1])
    assert everything == [ended.id, active.id]
    assert _ids(raw("GET", "/v1/subscriptions?status=canceled")[1]) == [ended.id]
    path = f"/v1/subscriptions?status=all&price={price}"
    assert _ids(raw("GET", path)[1]) == [ended.id]


def test_metadata_merges_and_an_empty_value_drops_its_key(
    fake_stripe: FakeStripe,
) -> None:
    client = fake_stripe.client()
    customer = client.v1.customers.create({"metadata": {"a": "7", "b": "11"}})
    client.v1.customers.update(customer.id, {"metadata": {"b": "", "c": "5"}})
    updated = client.v1.customers.retrieve(customer.id).to_dict()
    assert updated["metadata"] == {"a": "7", "c": "5"}


def test_update_that_changes_nothing_creates_no_event(fake_stripe: FakeStripe) -> None:
    customer = make_customer(fake_stripe)
    client = fake_stripe.client()
    client.v1.customers.update(customer.id, {"name": "Ann"})
    client.v1.customers.update(customer.id, {"name": "Bob"})

    [event] = fake_stripe.events("customer.updated")
    assert event["data"]["previous_attributes"] == {"name": "Ann"}
    assert event["data"]["object"]["name"] == "Bob"


def test_events_are_listed_by_type_and_delivery(fake_stripe: FakeStripe) -> None:
    make_price(fake_stripe)
    client = fake_stripe.client()
    types = ["price.created", "product.created"]

    events = client.v1.events.list({"types": types}).data
    assert [one.type for one in events] == types
    assert client.v1.events.list({"type": "price.*"}).data[0].type == "price.created"
    assert client.v1.events.list({"delivery_success": False}).data == []
    assert len(client.v1.events.list({"delivery_success": True}).data) == 2
