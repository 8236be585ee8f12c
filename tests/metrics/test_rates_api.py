"""The price book over HTTP."""

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


def test_a_price_is_put_read_and_replaced(api: Client) -> None:
    first = put(api, f'{{"rates": [{rate("0.000000000001")}]}}')
    again = put(api, f'{{"rates": [{rate("0.000000000001")}]}}')
    dearer = put(api, f'{{"rates": [{rate("7")}]}}')

    assert first == (*again[:1], {"changed": 1, "unchanged": 0})
    assert again == (200, {"changed": 0, "unchanged": 1})
    assert dearer == (200, {"changed": 1, "unchanged": 0})
    [found] = api.get(URL).json()["rates"]
    assert (found["product"], found["unit_price"]) == ("gpt", 7)
    assert list(
        Rate.objects.order_by("id").values_list("unit_price", "removed_in")
    ) == [
        (Decimal("0.000000000001"), 2),
        (Decimal(7), None),
    ]


@pytest.mark.parametrize(
    ("price", "code"),
    [
        ("0.0000000000001", "too_precise"),
        ("-1", "invalid_request"),
        ("NaN", "not_finite"),
        ("1e400", "out_of_range"),
        ('"1"', "invalid_request"),
        ("true", "invalid_request"),
    ],
)
def test_a_price_that_is_none_is_refused(api: Client, price: str, code: str) -> None:
    status, answer = put(api, f'{{"rates": [{rate(price)}]}}')

    assert (status, answer["errors"][0]["code"]) == (400, code)
    assert Rate.objects.count() == 0


def test_one_bad_rate_changes_none(api: Client) -> None:
    bad = rate("3", organization='"nobody"')
    status, answer = put(api, f'{{"rates": [{rate("5")}, {bad}]}}')

    assert status == 400
    assert answer["errors"][0]["fields"] == ["rates[1].organization"]
    assert Rate.objects.count() == 0


def test_an_organizations_own_rate_is_seen_by_it_and_not_by_its_neighbour(
    api: Client, acme: WhiteLabel
) -> None:
    other = make_organization(acme, "org-11")
    own = rate("3", organization='"org-7"')
    make_rate(make_white_label("stranger"), "9")
    put(api, f'{{"rates": [{rate("5")}, {own}]}}')

    key = make_key(acme, "billing:read", organization=other)
    seen = Client(headers={"x-api-key": key}).get(URL).json()["rates"]

    assert [(r["unit_price"], r["organization"]) for r in seen] == [(5, None)]
    all_ = api.get(URL).json()["rates"]
    assert sorted(r["unit_price"] for r in all_) == [3, 5]


def test_writing_takes_a_key_of_the_white_label(acme: WhiteLabel) -> None:
    org = make_organization(acme, "org-11")
    key = make_key(acme, "billing:write", organization=org)

    status, _ = put(Client(headers={"x-api-key": key}), f'{{"rates": [{rate("5")}]}}')

    assert status == 403
