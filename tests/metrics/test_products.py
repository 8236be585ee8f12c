"""Products are what providers call their models, on every way in and out."""

from urllib.parse import quote

import pytest
from django.test import Client

from metrics.models import Rate
from metrics.queries.products import product_costs
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    event,
    make_key,
    make_rate,
    make_user,
    record,
    usage_of,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
PRODUCTS = [
    "claude-opus-4-1@20250805",
    "qwen-2.5-72b+nitro",
    "llama#deployment",
    "Standard_NC24ads_A100_v4 (Spot)",
    "o1~2024",
    "ft:gpt-3.5-turbo:my-org::8a(2)",
    "=1+2",
    "a,b",
    "@cf/meta/llama-3.1-8b-instruct",
    "(other)",
    "x" * 200,
]


@pytest.fixture
def api(acme: WhiteLabel) -> Client:
    scopes = ("usage:write", "billing:read", "billing:write", "organizations:read")
    return Client(headers={"x-api-key": make_key(acme, *scopes)})


def test_every_product_is_recorded_priced_and_returned(
    api: Client, acme: WhiteLabel, org: Organization
) -> None:
    rates = [
        {"product": name, "meter": "requests", "unit_price": 2} for name in PRODUCTS
    ]
    put = api.put("/api/v1/rates", {"rates": rates}, content_type="application/json")
    assert put.json() == {"changed": len(PRODUCTS), "unchanged": 0}
    body = [event(f"e{n}", product=name) for n, name in enumerate(PRODUCTS)]

    for expected in ({"accepted": len(PRODUCTS)}, {"duplicates": len(PRODUCTS)}):
        response = api.post(
            "/api/v1/usage/events", body, content_type="application/json"
        )
        assert response.json().items() >= {**expected, "rejected": []}.items()

    assert set(usage_of(org, "product", "cost")) == {(name, 10) for name in PRODUCTS}
    assert set(product_costs(org.pk, number=1)) == set(PRODUCTS)
    chart = api.get(f"/api/v1/billing/costs/{org.pk}/charts?from=2026-11-21").json()
    ids = {value["id"] for point in chart["data"] for value in point["values"]}
    assert ids == set(PRODUCTS)


def test_a_new_event_with_a_repeated_event_is_recorded(
    acme: WhiteLabel, org: Organization
) -> None:
    first, *others = [event(f"e{n}", product=p) for n, p in enumerate(PRODUCTS)]
    record(acme, [first])

    result = record(acme, [first, *others])

    assert (result.accepted, result.duplicates) == (len(others), 1)


@pytest.mark.parametrize("product", PRODUCTS)
def test_prices_are_filtered_by_any_product(
    api: Client, acme: WhiteLabel, product: str
) -> None:
    make_rate(acme, "1", product=product)
    make_rate(acme, "2", product="gpt")

    listed = api.get(f"/api/v1/rates?product={quote(product, safe='')}").json()

    assert [rate["product"] for rate in listed["rates"]] == [product]


def test_pages_show_products_as_text(acme: WhiteLabel, org: Organization) -> None:
    for number, name in enumerate(PRODUCTS):
        make_rate(acme, "1", product=name)
        record(acme, [event(f"e{number}", product=name)])
    browser = Client()
    browser.force_login(make_user("finn", "finance"))

    page = browser.get(f"/organizations/{org.pk}/costs/").content.decode()

    assert all(name in page for name in PRODUCTS)


def test_the_admin_takes_the_same_products(acme: WhiteLabel) -> None:
    browser = Client()
    browser.force_login(make_user("root", is_superuser=True))
    form = {
        "white_label": acme.pk,
        "product": "Standard_NC24ads_A100_v4 (Spot)",
        "meter": "requests",
        "unit_price": "1",
        "benchmark_unit_price": "0",
    }

    browser.post("/admin/metrics/rate/add/", form)

    assert Rate.objects.get().product == form["product"]
