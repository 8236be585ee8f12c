"""Contract C's overview, items and deployments, which all have the same total."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from billing.models import BillingAccount
from orgs.models import Organization, Project, WhiteLabel
from tests.factories import (
    event,
    make_key,
    make_rate,
    record,
)
from tests.support.costs_api import DIMENSIONS, Ask, make_billed
from tests.support.organization_api import subscribe

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
YEAR = "from=2026-01-01&to=2026-12-01"


@pytest.fixture
def billed(acme: WhiteLabel, org: Organization) -> Organization:
    return make_billed(acme, org)


@pytest.fixture
def ask(acme: WhiteLabel, billed: Organization, client: Client) -> Ask:
    return Ask(client, billed.id, make_key(acme, "billing:read"))


@pytest.fixture
def project(billed: Organization) -> int:
    return Project.objects.get(organization=billed).pk


def by_type(costs: Any) -> dict[str, Decimal]:
    dimensions = costs["dimensions"]
    assert [dimension["type"] for dimension in dimensions] == DIMENSIONS
    return {d["type"]: d["cost"] for d in dimensions if d["cost"]}


def test_overview_has_all_six_dimensions_and_the_hourly_rate(ask: Ask) -> None:
    body = ask()

    assert body["costs"]["total"] == Decimal("15.7")
    assert by_type(body["costs"]) == {
        "capacity": Decimal("13.5"),
        "storage_bytes": Decimal("2.2"),
    }
    # 492 hours of November have passed.
    assert body["hourly_rate"] == Decimal("0.031910569106")
    assert body["trials"] == 0
    assert body["balance"] == {"available": 0, "remaining": 0, "line_items": []}


def test_trial_uses_the_free_balance(ask: Ask, billed: Organization) -> None:
    BillingAccount.objects.create(organization=billed, free_balance=Decimal(40))
    assert ask()["balance"]["available"] == 0  # used only in a trial

    end = datetime(2026, 12, 1, tzinfo=UTC)
    subscribe(billed, status="trialing", trial_ends_at=end)

    body = ask()
    assert body["trials"] == Decimal("15.7")
    # The open period includes October and costs 29.7.
    assert body["balance"]["remaining"] == Decimal("10.3")
    [line] = body["balance"]["line_items"]
    assert (line["ecu_quantity"], line["ecu_balance"]) == (40, Decimal("10.3"))
    assert line["start"] == "2026-01-05T09:00:00+00:00"
    assert line["end"] == "2026-12-01T00:00:00+00:00"


def test_items_are_split_into_compute_and_storage(ask: Ask) -> None:
    body = ask("/items")

    requests, gpu = body["resources"]
    assert (requests["name"], requests["price"]) == ("gpt: Requests", 10)
    assert (requests["hours"], requests["instance_count"]) == (492, 1)
    assert (gpu["sku"], gpu["price"]) == ("acme.a100.gpu_seconds", Decimal("3.5"))
    assert (gpu["hours"], gpu["price_per_hour"]) == (1, Decimal("3.5"))
    assert gpu["kind"] == "elasticsearch"
    assert gpu["period"] == {
        "start": "2026-11-01T00:00:00+00:00",
        "end": "2026-11-22T00:00:00+00:00",
    }
    assert body["data_transfer_and_storage"] == [
        {
            "name": "disk: Storage added",
            "sku": "acme.disk.storage_bytes_added",
            "cost": Decimal("2.2"),
            "type": "storage_bytes",
            "quantity": {"value": 110, "formatted_value": "110 bytes"},
            "rate": {
                "value": Decimal("0.02"),
                "formatted_value": "0.02 usd per byte",
            },
        }
    ]


def test_hours_are_rounded_up(ask: Ask, frozen: time_machine.Traveller) -> None:
    frozen.shift(60)

    requests = ask("/items")["resources"][0]
    assert requests["hours"] == 493
    assert requests["price_per_hour"] == Decimal("0.020283975659")


def test_deployments_are_projects_and_usage_without_project(
    ask: Ask, project: int
) -> None:
    body = ask("/deployments")

    assert body["total_cost"] == Decimal("15.7")
    first, rest = body["deployments"]
    assert (first["deployment_id"], first["deployment_name"]) == (str(project), "p-1")
    assert rest["deployment_id"] == "none"
    assert rest["deployment_name"]
    assert by_type(first["costs"]) == {"capacity": Decimal("13.5")}
    assert by_type(rest["costs"]) == {"storage_bytes": Decimal("2.2")}
    assert first["period"]["end"] == "2026-11-22T00:00:00+00:00"


def test_chart_of_a_project_is_by_meter(ask: Ask, project: int) -> None:
    body = ask(f"/deployments/{project}/charts?{YEAR}&bucketing_strategy=monthly")

    assert [point["values"] for point in body["data"]][9:] == [
        [{"id": "requests", "name": "Requests", "value": 14}],
        [
            {"id": "requests", "name": "Requests", "value": 10},
            {"id": "gpu_seconds", "name": "GPU time", "value": Decimal("3.5")},
        ],
    ]


def test_usage_without_project_has_a_chart_and_items(ask: Ask) -> None:
    [item] = ask("/deployments/none/items")["data_transfer_and_storage"]
    assert item["cost"] == Decimal("2.2")
    [value] = ask("/deployments/none/charts")["data"][20]["values"]
    assert value["id"] == "storage_bytes_added"


@pytest.mark.parametrize("range_", ["", "from=2026-11-03&to=2026-11-04", YEAR])
@pytest.mark.parametrize("strategy", ["daily", "monthly"])
def test_all_answers_for_a_range_have_the_same_total(
    ask: Ask, range_: str, strategy: str
) -> None:
    def chart(path: str = "") -> Decimal:
        points = ask(f"{path}/charts?{range_}&bucketing_strategy={strategy}")["data"]
        return sum((v["value"] for p in points for v in p["values"]), Decimal(0))

    def items(path: str = "") -> Decimal:
        body = ask(f"{path}/items?{range_}")
        amounts = [item["price"] for item in body["resources"]]
        amounts += [item["cost"] for item in body["data_transfer_and_storage"]]
        assert body["costs"]["total"] == sum(amounts)
        return sum(amounts, Decimal(0))

    deployments = ask(f"/deployments?{range_}")
    paths = [f"/deployments/{d['deployment_id']}" for d in deployments["deployments"]]
    total = ask(f"?{range_}")["costs"]["total"]
    assert total > 0
    assert total == chart() == items() == deployments["total_cost"]
    assert total == sum(map(chart, paths)) == sum(map(items, paths))


def test_quantities_above_64_bits_are_capped_to_the_contract(
    ask: Ask, acme: WhiteLabel
) -> None:
    big = {"product": "disk", "quantities": {"storage_bytes_added": 2**63 - 1}}
    record(acme, [event("e", **big), event("f", **big)])

    [item] = ask("/items")["data_transfer_and_storage"]

    assert item["quantity"]["value"] == 2**63 - 1
    text = "18,446,744,073,709,551,724 bytes (16 EiB)"
    assert item["quantity"]["formatted_value"] == text


def test_number_of_queries_is_bounded(
    ask: Ask, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    ask("/deployments")

    for path, queries in (("", 7), ("/items", 3), ("/deployments", 4)):
        with django_assert_max_num_queries(queries):
            ask(path)


def test_texts_of_many_bytes_are_readable(
    ask: Ask, acme: WhiteLabel, org: Organization
) -> None:
    make_rate(acme, "0.00000000002", product="archive", meter="storage_bytes_added")
    usage = {"product": "archive", "quantities": {"storage_bytes_added": 1612711157587}}
    record(acme, [event("many", **usage)])

    items = ask("/items")["data_transfer_and_storage"]
    [item] = [item for item in items if item["name"].startswith("archive")]

    quantity = item["quantity"]["formatted_value"]
    assert quantity == "1,612,711,157,587 bytes (1.47 TiB)"
    rate = item["rate"]["formatted_value"]
    assert rate == "0.00000000002 usd per byte (0.021475 usd per GiB)"
