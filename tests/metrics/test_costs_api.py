"""Contract C's chart: ranges, amounts and invalid requests."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from metrics.commands.roll_up import roll_up_usage
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    event,
    make_key,
    make_organization,
    make_rate,
    make_white_label,
    period_cost,
    record,
)
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
DAY = 86_400_000
NOVEMBER = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
@snapshot
def billed(acme: WhiteLabel, org: Organization) -> Organization:
    """Create costs of 22 in October, 10 on November 3 and 6 on the 21st.

    The 21st has 0.000000000021 of another product, too.
    """
    make_organization(acme, "org-9")
    make_rate(acme, "2")
    make_rate(acme, "0.000000000003", product="claude")
    record(
        acme,
        [
            event("a", timestamp="2026-11-03T00:00:00Z"),
            event("b", product="claude", quantities={"requests": 7}),
            event("c", quantities={"requests": 3, "cpu_seconds": 50}),
            event("d", timestamp="2026-10-31T23:59:59Z", quantities={"requests": 11}),
            event("decoy", organization="org-9", quantities={"requests": 900}),
        ],
    )
    return org


@pytest.fixture
def ask(acme: WhiteLabel, billed: Organization, client: Client) -> "Ask":
    return Ask(client, billed.id, make_key(acme, "billing:read"))


class Ask:
    """Client of one organization's chart that parses amounts as exact decimals."""

    def __init__(self, client: Client, id_: int, key: str) -> None:
        self.client, self.id, self.key = client, id_, key

    def raw(self, query: str = "") -> Any:
        url = f"/api/v1/billing/costs/{self.id}/charts?{query}"
        return self.client.get(url, headers={"authorization": f"ApiKey {self.key}"})

    def __call__(self, **query: str) -> list[dict[str, Any]]:
        response = self.raw(urlencode({k.rstrip("_"): v for k, v in query.items()}))
        assert response.status_code == 200, response.content
        data: list[dict[str, Any]] = json.loads(
            response.content, parse_float=Decimal, parse_int=int
        )["data"]
        return data


def total(data: list[dict[str, Any]]) -> Decimal:
    return sum((v["value"] for point in data for v in point["values"]), Decimal(0))


def test_default_range_is_the_current_month_through_today(ask: Ask) -> None:
    data = ask()

    assert [p["timestamp"] for p in data] == [NOVEMBER + n * DAY for n in range(21)]
    assert data[2]["values"] == [{"id": "gpt", "name": "gpt", "value": 10}]
    assert data[20]["values"] == [
        {"id": "gpt", "name": "gpt", "value": 6},
        {"id": "claude", "name": "claude", "value": Decimal("0.000000000021")},
    ]
    assert all(p["values"] == [] for n, p in enumerate(data) if n not in {2, 20})


def test_amounts_are_json_numbers_with_all_digits(ask: Ask) -> None:
    response = ask.raw("from=2026-11-21")

    assert b'"value":0.000000000021}' in response.content
    assert b'"value":6}' in response.content
    assert response["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("strategy", ["monthly", "Monthly", "MONTHLY"])
def test_months_include_only_days_of_the_range(ask: Ask, strategy: str) -> None:
    data = ask(from_="2026-09-15", to="2026-11-21", bucketing_strategy=strategy)

    days = [datetime.fromtimestamp(p["timestamp"] / 1000, UTC).date() for p in data]
    assert days == [date(2026, 9, 1), date(2026, 10, 1), date(2026, 11, 1)]
    values = [[v["value"] for v in p["values"]] for p in data]
    assert values == [[], [22], [10]]


@pytest.mark.parametrize("strategy", ["daily", "Daily"])
def test_bucketing_strategy_is_case_insensitive(ask: Ask, strategy: str) -> None:
    assert ask(bucketing_strategy=strategy) == ask()


@pytest.mark.parametrize(
    "first",
    [
        "2026-11-20",
        "2026-11-20T00:00:00Z",
        "2026-11-20T23:59:59Z",
        "2026-11-20T00:00:00.000Z",
        "2026-11-20T00:00:00",
        "2026-11-20T00:00:00%2B00:00",
        "2026-11-20T00:00:00+00:00",  # the plus arrives as a space
        "2026-11-19T23:30:00-01:00",
    ],
)
def test_every_format_of_an_instant_is_accepted(ask: Ask, first: str) -> None:
    body = json.loads(ask.raw(f"from={first}&to=2026-11-22").content)

    assert [p["timestamp"] for p in body["data"]] == [
        NOVEMBER + 19 * DAY,
        NOVEMBER + 20 * DAY,
    ]


def test_a_range_is_half_open(ask: Ask) -> None:
    assert total(ask(from_="2026-11-03", to="2026-11-04")) == 10
    assert total(ask(from_="2026-11-02", to="2026-11-03")) == 0
    assert ask(from_="2026-11-03", to="2026-11-03") == []
    assert ask(from_="2026-11-03", to="2026-11-03", bucketing_strategy="monthly") == []


def test_days_months_and_period_have_the_same_total(
    ask: Ask, billed: Organization
) -> None:
    everything = {"from_": "2026-01-01", "to": "2026-12-01"}

    days = total(ask(**everything))
    months = total(ask(**everything, bucketing_strategy="monthly"))

    assert days == months == Decimal("38.000000000021")
    assert period_cost(billed.id, number=1).cost == days


def test_future_buckets_are_included_and_empty(ask: Ask) -> None:
    data = ask(from_="2026-11-21", to="2026-11-25")

    assert [len(point["values"]) for point in data] == [2, 0, 0, 0]


@pytest.mark.parametrize(
    ("zone", "first", "milliseconds"),
    [
        ("Asia/Kathmandu", "2026-11-20", "2026-11-19T18:15"),
        ("Australia/Lord_Howe", "2026-11-20", "2026-11-19T13:00"),
        ("America/Santiago", "2026-09-06", "2026-09-06T04:00"),
    ],
)
def test_timestamp_is_the_first_instant_of_the_day_in_the_time_zone(
    client: Client, zone: str, first: str, milliseconds: str
) -> None:
    label = make_white_label("zoned", time_zone=zone)
    org = make_organization(label)

    data = Ask(client, org.id, make_key(label, "billing:read"))(from_=first)

    start = datetime.fromisoformat(milliseconds).replace(tzinfo=UTC)
    assert data[0]["timestamp"] == start.timestamp() * 1000
    assert isinstance(data[0]["timestamp"], int)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("from=2026-11-22&to=2026-11-21", "costs.invalid_date_range"),
        ("from=2026-12-01", "costs.invalid_date_range"),
        ("from=2023-11-20&to=2026-11-21", "costs.invalid_date_range"),
        (
            "from=2016-11-20&to=2026-11-21&bucketing_strategy=monthly",
            "costs.invalid_date_range",
        ),
        ("from=yesterday", "costs.invalid_date_range"),
        ("to=2026-02-30", "costs.invalid_date_range"),
        ("from=0001-01-01T00:00:00%2B14:00", "costs.invalid_date_range"),
        ("to=9999-12-31T23:59:59-12:00", "costs.invalid_date_range"),
        ("from=%00", "invalid_character"),
        ("from=2026-11-01&from=2026-11-02", "duplicate_parameter"),
        ("bucketing_strategy=hourly", "costs.invalid_bucketing_strategy"),
        ("bucketing_strategy=%00", "invalid_character"),
    ],
)
def test_invalid_range_is_a_400_with_its_code(ask: Ask, query: str, code: str) -> None:
    response = ask.raw(query)

    assert response.status_code == 400
    assert response["x-cloud-error-codes"] == code
    [error] = response.json()["errors"]
    assert error["code"] == code
    assert error["message"]


def test_unknown_parameters_are_ignored(ask: Ask) -> None:
    response = ask.raw("granularity=day&x=")

    assert response.json() == ask.raw().json()


def test_longest_ranges_are_accepted(ask: Ask) -> None:
    assert len(ask(from_="2023-11-21", to="2026-11-21")) == 1096
    monthly = {"from_": "2016-12-01", "to": "2026-12-01"}
    assert len(ask(**monthly, bucketing_strategy="monthly")) == 120


def test_chart_costs_two_queries_for_any_range(
    ask: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    roll_up_usage()
    ask()  # the key's last use is stored once a minute: not in the next call
    with django_assert_num_queries(2):  # the key and organization; the sums
        ask(from_="2024-11-21", to=str(date(2026, 11, 21) + timedelta(days=30)))
