"""API of the price book: reading, adding and replacing prices."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from metrics.models import Rate
from orgs.models import WhiteLabel
from tests.factories import make_key, make_organization, make_rate, make_white_label

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
URL = "/api/v1/rates"


@pytest.fixture
def api(acme: WhiteLabel) -> Client:
    return Client(
        headers={"x-api-key": make_key(acme, "billing:read", "billing:write")}
    )


def put(api: Client, raw: str) -> tuple[int, Any]:
    response = api.put(URL, raw, content_type="application/json")
    return response.status_code, response.json()


def rate(price: str, **more: str) -> str:
    extra = "".join(f', "{name}": {value}' for name, value in more.items())
    return f'{{"product": "gpt", "meter": "requests", "unit_price": {price}{extra}}}'


def test_price_is_added_read_and_replaced(api: Client) -> None:
    first = put(api, f'{{"rates": [{rate("0.000000000001")}]}}')
    repeated = put(api, f'{{"rates": [{rate("0.000000000001")}]}}')
    higher = put(api, f'{{"rates": [{rate("7")}]}}')

    assert first == (*repeated[:1], {"changed": 1, "unchanged": 0})
    assert repeated == (200, {"changed": 0, "unchanged": 1})
    assert higher == (200, {"changed": 1, "unchanged": 0})
    [listed] = api.get(URL).json()["rates"]
    assert (listed["product"], listed["unit_price"]) == ("gpt", 7)
    assert list(
        Rate.objects.order_by("id").values_list("unit_price", "removed_in")
    ) == [
        (Decimal("0.000000000001"), 2),
        (Decimal(7), None),
    ]


def test_null_ends_a_price(api: Client) -> None:
    start = {"effective_from": '"2026-12-01T00:00:00Z"'}
    put(api, f'{{"rates": [{rate("7")}]}}')
    bad = put(api, f'{{"rates": [{rate("null", **start, benchmark_unit_price="1")}]}}')
    assert bad[1]["errors"][0]["code"] == "invalid_benchmark_unit_price"
    ended = put(api, f'{{"rates": [{rate("null", **start)}]}}')

    assert ended == (200, {"changed": 1, "unchanged": 0})
    prices = [row["unit_price"] for row in api.get(URL).json()["rates"]]
    assert prices == [7, None]


@pytest.mark.parametrize(
    ("price", "code"),
    [
        ("0.0000000000000000000000001", "too_precise"),
        ("-1", "invalid_request"),
        ("NaN", "not_finite"),
        ("1e400", "out_of_range"),
        ('"1"', "invalid_request"),
        ("true", "invalid_request"),
    ],
)
def test_invalid_price_is_rejected(api: Client, price: str, code: str) -> None:
    status, answer = put(api, f'{{"rates": [{rate(price)}]}}')

    assert (status, answer["errors"][0]["code"]) == (400, code)
    assert Rate.objects.count() == 0


def test_one_invalid_rate_rejects_all(api: Client) -> None:
    bad = rate("3", organization='"org-unknown"')
    status, answer = put(api, f'{{"rates": [{rate("5")}, {bad}]}}')

    assert status == 400
    assert answer["errors"][0]["fields"] == ["rates[1].organization"]
    assert Rate.objects.count() == 0


def test_special_rate_is_hidden_from_other_organizations(
    api: Client, acme: WhiteLabel
) -> None:
    other = make_organization(acme, "org-11")
    special = rate("3", organization='"org-7"')
    make_rate(make_white_label("other"), "9")
    put(api, f'{{"rates": [{rate("5")}, {special}]}}')

    key = make_key(acme, "billing:read", organization=other)
    visible = Client(headers={"x-api-key": key}).get(URL).json()["rates"]

    assert [(r["unit_price"], r["organization"]) for r in visible] == [(5, None)]
    rates = api.get(URL).json()["rates"]
    assert sorted(r["unit_price"] for r in rates) == [3, 5]


def test_writing_requires_a_key_of_the_white_label(acme: WhiteLabel) -> None:
    org = make_organization(acme, "org-11")
    key = make_key(acme, "billing:write", organization=org)

    status, _ = put(Client(headers={"x-api-key": key}), f'{{"rates": [{rate("5")}]}}')

    assert status == 403


@pytest.mark.parametrize(
    "start",
    ["1999-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "2199-12-31T19:00:00-05:00"],
)
def test_a_start_is_within_the_years_that_are_stored(api: Client, start: str) -> None:
    refused = rate("2", effective_from=f'"{start}"')

    status, answer = put(api, f'{{"rates": [{rate("1")}, {refused}]}}')

    assert (status, answer["errors"][0]["code"]) == (400, "invalid_request")
    assert answer["errors"][0]["fields"] == ["effective_from"]
    assert not Rate.objects.exists()


def test_pages_of_the_price_book_have_every_price_once(
    acme: WhiteLabel, client: Client
) -> None:
    for product in ("b", "a", "c"):
        make_rate(acme, "2", product=product)
    make_rate(acme, "3", product="b", organization=acme.owner)
    headers = {"x-api-key": make_key(acme, "billing:read")}

    listed, url = [], "/api/v1/rates?limit=2"
    while url:
        body = client.get(url, headers=headers).json()
        listed += [row["product"] for row in body["rates"]]
        cursor = body["next_cursor"]
        url = f"/api/v1/rates?limit=2&cursor={cursor}" if cursor else ""

    assert listed == ["a", "b", "b", "c"]
    refused = client.get("/api/v1/rates?cursor=x", headers=headers)
    assert refused.json()["errors"][0]["code"] == "invalid_cursor"
