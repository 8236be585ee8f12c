"""Usage without a price is never shown as $0.00: pages, exports, and API answers."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from metrics.charts.costs import cost_chart
from metrics.periods import DayRange
from metrics.queries.series import SeriesFilters, series
from orgs.models import Organization, WhiteLabel
from orgs.web.charts import Series, build_chart
from orgs.web.templatetags.charts import legend, table_rows
from tests.factories import NOW, event, make_key, make_rate, make_user, record
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
TODAY = NOW.date()
RANGE = DayRange(TODAY.replace(day=20), TODAY.replace(day=22))


@pytest.fixture
@snapshot
def used(acme: WhiteLabel, org: Organization) -> Organization:
    """Return an organization whose product `new` has no price, and `gpt` in part."""
    make_rate(acme, "2")
    record(
        acme,
        [
            event("a", quantities={"requests": 5, "prompt_tokens": 70}),
            event("b", product="new", quantities={"requests": 3}),
            event("c", product="free", quantities={"storage_bytes_added": 3}),
            event("d", product="new", timestamp="2026-11-20T11:00:00Z"),
        ],
    )
    return org


@pytest.fixture
def api(acme: WhiteLabel) -> Client:
    key = make_key(acme, "billing:read", "organizations:read")
    return Client(headers={"x-api-key": key})


def test_a_chart_has_no_value_where_nothing_has_a_price(used: Organization) -> None:
    chart = cost_chart(
        series(used.pk, SeriesFilters(RANGE)), currency="usd", today=TODAY
    )
    assert chart is not None
    assert chart.columns == ["gpt", "new"]
    assert [list(row.cells) for row in chart.rows] == [
        [0, None],
        [Decimal(10), None],
    ]
    assert [row.note for row in chart.rows] == ["new", "gpt, new"]
    assert chart.legend[1].total is None
    assert "no price" in legend(chart)
    assert table_rows(chart).count("no price") == 2
    assert chart.data["series"][1]["y"] == [None, None]
    assert chart.data["series"][1]["empty"] == "no price"


def test_other_unknown_values_have_no_such_text() -> None:
    chart = build_chart(
        id="c",
        title="c",
        days=[TODAY],
        series=[Series("forecast", [None])],
        unit="usd",
    )
    assert chart.legend[0].total == 0
    assert "no price" not in table_rows(chart)


def test_the_costs_page_says_which_product_has_no_price(
    used: Organization, client: Client
) -> None:
    client.force_login(make_user("fin", "finance"))
    page = client.get(reverse("billing:costs", args=[used.pk])).content.decode()
    assert page.count("data-no-price") == 2  # of its share, and of its difference
    assert page.count("data-part-unpriced") == 1
    assert page.count("data-unpriced-badge") == 1


def test_costs_csv_carries_the_unpriced_quantity(
    used: Organization, api: Client
) -> None:
    url = f"/api/v1/organizations/{used.pk}/costs.csv"
    lines = api.get(url).content.decode().splitlines()
    assert lines == [
        "bucket,product,cost,benchmark_cost,currency,unpriced_quantity",
        "2026-11-20,new,,,usd,5",
        "2026-11-21,gpt,10,0,usd,70",
        "2026-11-21,free,0,0,usd,0",
        "2026-11-21,new,,,usd,3",
    ]


def test_usage_carries_the_unpriced_quantity(used: Organization, api: Client) -> None:
    answer = api.get(f"/api/v1/organizations/{used.pk}/usage").json()
    values = [value for point in answer["data"] for value in point["values"]]
    unpriced = [(value["id"], value["unpriced_quantity"]) for value in values]
    assert ("prompt_tokens", 70) in unpriced
    assert ("requests", 3) in unpriced
    assert ("storage_bytes_added", 0) in unpriced


def test_items_carry_the_unpriced_quantity(used: Organization, api: Client) -> None:
    answer: Any = api.get(f"/api/v1/billing/costs/{used.pk}/items").json()
    items = answer["resources"] + answer["data_transfer_and_storage"]
    assert {item["sku"]: item.get("unpriced_quantity", 0) for item in items} == {
        "acme.gpt.requests": 0,
        "acme.gpt.prompt_tokens": 70,
        "acme.new.requests": 8,
        "acme.free.storage_bytes_added": 0,
    }


def test_the_organization_list_says_no_price(
    acme: WhiteLabel, org: Organization, client: Client
) -> None:
    record(acme, [event()])
    client.force_login(make_user("fin", "finance"))
    url = reverse("billing:organization_list")
    assert client.get(url).content.decode().count("data-no-price") == 1
    make_rate(acme, "0")
    record(acme, [event("b")])
    assert "data-no-price" not in client.get(url).content.decode()
