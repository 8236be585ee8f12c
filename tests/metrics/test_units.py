"""Prices per natural unit: how units are written, and exact sums."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.ledger.commands.periods import close_period
from billing.ledger.queries.reconciliation import reconcile_period
from billing.money import round_money
from metrics.catalog import METERS
from metrics.commands.rates import IncomingRate, load_rates
from metrics.commands.record import record_usage
from metrics.events import IncomingEvent
from metrics.models import Rate
from metrics.periods import DayRange
from metrics.queries.series import SeriesFilters, cost_digits, series
from metrics.units import parse_unit, unit_examples
from orgs.decimals import plain
from orgs.errors import InputRejected
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, event, make_key, make_user, period_cost, record
from tests.support.corrections import run
from tests.support.loading import Load

DAYS = DayRange(NOW.date().replace(day=1), NOW.date().replace(day=25))


def price(
    label: WhiteLabel, amount: str, unit: str, meter: str, *, benchmark: str = "0"
) -> None:
    load_rates(
        label,
        [IncomingRate("gpt", meter, Decimal(amount), Decimal(benchmark), unit=unit)],
    )


@pytest.mark.parametrize(
    ("meter", "text", "name", "size"),
    [
        ("prompt_tokens", "", "token", 1),
        ("prompt_tokens", "1M tokens", "1M tokens", 10**6),
        ("prompt_tokens", "per 1,000,000 Tokens", "1M tokens", 10**6),
        ("prompt_tokens", "million tokens", "1M tokens", 10**6),
        ("prompt_tokens", "MTok", "1M tokens", 10**6),
        ("completion_tokens", "1k tokens", "1,000 tokens", 1000),
        ("requests", "1,000 requests", "1,000 requests", 1000),
        ("requests", "request", "request", 1),
        ("gpu_seconds", "GPU-hour", "GPU-hour", 3600),
        ("gpu_seconds", "gpu hours", "GPU-hour", 3600),
        ("gpu_seconds", "hour", "GPU-hour", 3600),
        ("gpu_seconds", "100 GPU-hours", "100 GPU-hours", 360_000),
        ("cpu_seconds", "vCPU-hour", "CPU-hour", 3600),
        ("cpu_seconds", "minute", "CPU-minute", 60),
        ("storage_byte_days", "", "byte-day", 1),
        ("storage_byte_days", "GB-month", "GB-month", Fraction(365 * 10**9, 12)),
        ("storage_byte_days", "GB/month", "GB-month", Fraction(365 * 10**9, 12)),
        ("storage_byte_days", "GiB-mo", "GiB-month", Fraction(365 * 2**30, 12)),
        ("storage_byte_days", "TB-hour", "TB-hour", Fraction(10**12, 24)),
        ("storage_bytes_added", "GiB", "GiB", 2**30),
    ],
)
def test_units_are_read_as_people_write_them(
    meter: str, text: str, name: str, size: Any
) -> None:
    unit = parse_unit(text, meter)
    assert (unit.name, unit.size) == (name, size)
    assert parse_unit(name, meter) == unit


@pytest.mark.parametrize(
    ("meter", "text"),
    [
        ("cpu_seconds", "GPU-hour"),
        ("prompt_tokens", "GB-month"),
        ("storage_byte_days", "GB"),
        ("requests", "0 requests"),
        ("requests", "-1 requests"),
        ("requests", "1.5 requests"),
        ("requests", "9999999999999999 requests"),
        ("requests", "1000"),
        ("requests", "\N{ARABIC-INDIC DIGIT ONE} request"),
    ],
)
def test_a_unit_of_another_meter_is_refused(meter: str, text: str) -> None:
    with pytest.raises(InputRejected, match=unit_examples(meter)[-1]) as refused:
        parse_unit(text, meter)
    assert refused.value.code == "invalid_unit"


@pytest.mark.parametrize("meter", METERS)
def test_examples_are_units(meter: str) -> None:
    for example in unit_examples(meter):
        assert parse_unit(example, meter).name == example


@pytest.mark.django_db
@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize("amount", ["0.023", "0.10", "0.021"])
@pytest.mark.parametrize("unit", ["GB-month", "GiB-month"])
def test_storage_prices_are_exact_in_the_sum(
    acme: WhiteLabel, org: Organization, amount: str, unit: str
) -> None:
    """29 days of a terabyte, and an exabyte for a year, to 24 decimal places."""
    base = parse_unit(unit, "storage_byte_days").base_price(Decimal(amount))
    size = (10**9 if unit == "GB-month" else 2**30) * Fraction(365, 12)
    for byte_days in (29 * 10**12, 365 * 10**18):
        exact = Fraction(amount) * byte_days / size
        assert abs(Fraction(base * byte_days) - exact) < Fraction(1, 10**24)


@pytest.mark.django_db
@pytest.mark.usefixtures("frozen")
def test_hours_are_exact_from_day_to_invoice(
    acme: WhiteLabel, org: Organization
) -> None:
    """A second has no exact decimal price at $2.50 an hour; sums are exact."""
    price(acme, "2.5", "GPU-hour", "gpu_seconds", benchmark="4")
    price(acme, "0.15", "1M tokens", "prompt_tokens")
    for day in range(1, 21):
        used = {"gpu_seconds": 1000 + day, "prompt_tokens": 7}
        record(
            acme,
            [
                event(
                    f"e-{day}", timestamp=f"2026-11-{day:02}T08:00:00Z", quantities=used
                )
            ],
        )
    seconds = sum(1000 + day for day in range(1, 21))
    exact = Fraction("2.5") * seconds / 3600 + Fraction("0.15") * 140 / 10**6

    filters = SeriesFilters(DAYS)
    total = series(org.pk, filters).total
    by_day = sum(Decimal(row[3]) for row in cost_digits(org.pk, filters).rows)
    assert abs(Fraction(total.cost) - exact) < Fraction(1, 10**40)
    assert abs(by_day - total.cost) < Decimal(1).scaleb(-22)
    assert total.benchmark_cost == period_cost(org.pk, number=1).benchmark_cost

    closed = close_period(org.pk, ends_at=NOW)
    assert closed.cost is not None
    assert closed.cost == total.cost
    assert round_money(closed.cost, "usd") == round(
        Decimal(exact.numerator) / exact.denominator, 2
    )
    assert reconcile_period(org, 1).steps[1].difference == 0
    days = ("--from", "2026-11-01", "--to", "2026-11-25")
    assert run("rebuild_days", "--white-label", "acme", *days)[0] == 0


@pytest.mark.django_db
@pytest.mark.usefixtures("frozen")
def test_an_hour_costs_what_it_says(acme: WhiteLabel, org: Organization) -> None:
    price(acme, "2.5", "GPU-hour", "gpu_seconds")
    record(acme, [event(quantities={"gpu_seconds": 7200})])
    api = Client(headers={"x-api-key": make_key(acme, "billing:read")})

    csv = api.get(f"/api/v1/organizations/{org.pk}/costs.csv").content.decode()
    chart = api.get(f"/api/v1/billing/costs/{org.pk}/charts").content.decode()

    assert csv.splitlines()[1].startswith("2026-11-21,gpt,5,")
    assert '"value":5}' in chart


@pytest.mark.parametrize(
    ("cost", "rounded"),
    [
        ("0.124999999999999999999999999999999999999999999992", "0.12"),
        ("0.134999999999999999999999999999999999999999999992", "0.14"),
        ("0.135000000000000000000000000000000000000000000008", "0.14"),
        ("0.125000000000000000000000000000000000000000000008", "0.12"),
    ],
)
def test_guard_digits_decide_no_rounding(cost: str, rounded: str) -> None:
    """The exact sums are halves of a cent, which are rounded to even."""
    assert round_money(Decimal(cost), "usd") == Decimal(rounded)


def test_numbers_are_written_without_guard_digits() -> None:
    assert plain(Decimal("4.999999999999999999999999999999999999999999999968")) == "5"
    assert plain(Decimal("-0.000000000000000000000000000000000000000000001")) == "0"
    assert plain(Decimal("7.66E-13")) == "0.000000000000766"
    assert plain(2**70) == str(2**70)


@pytest.mark.django_db
@pytest.mark.usefixtures("frozen")
def test_large_quantities_at_precise_prices_are_exact(
    acme: WhiteLabel, org: Organization
) -> None:
    price(acme, "999999999999.999999999999999999999999", "", "requests")
    events = [
        IncomingEvent(f"e-{n}", NOW, "gpt", {"requests": 2**63 - 1}, org.pk)
        for n in range(400)
    ]
    record_usage(acme, list(enumerate(events)), now=NOW)
    cost = period_cost(org.pk, number=1).cost
    assert Fraction(cost) == 400 * (2**63 - 1) * Fraction(
        "999999999999.999999999999999999999999"
    )


@pytest.mark.django_db
def test_a_file_of_rates_has_units(
    acme: WhiteLabel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load = Load(tmp_path, capsys)
    head = "product,meter,unit_price,benchmark_unit_price,unit\n"
    rows = (
        "storage,storage_byte_days,0.023,0.025,GB-month\n"
        "gpt,prompt_tokens,2.5,,per 1M tokens\n"
        "a100,gpu_seconds,2.5,4,GPU-hour\n"
        "gpt,requests,7.66e-13,,\n"
    )
    accepted = "accepted 4 duplicates 0 rejected 0\n"
    assert load(head + rows, "load_rates") == (0, accepted)
    assert load(head + rows, "load_rates")[1].startswith("accepted 0 duplicates 4")
    stored = Rate.objects.order_by("meter").values_list("unit", "unit_price")
    assert list(stored) == [
        ("GPU-hour", Decimal("2.5")),
        ("1M tokens", Decimal("2.5")),
        ("request", Decimal("7.66e-13")),
        ("GB-month", Decimal("0.023")),
    ]

    bad = head + "gpt,requests,1,,GB-month\ngpt,requests,1e12,,\n"
    assert load(bad, "load_rates")[0] == 1
    assert load.refused() == [(2, "invalid_unit"), (3, "out_of_range")]


@pytest.mark.django_db
def test_the_api_takes_and_shows_the_unit(acme: WhiteLabel) -> None:
    key = make_key(acme, "billing:read", "billing:write")
    api = Client(headers={"x-api-key": key})

    def put(unit: str) -> Any:
        rate = {
            "product": "storage",
            "meter": "storage_byte_days",
            "unit_price": 0.023,
            "unit": unit,
        }
        return api.put(
            "/api/v1/rates", {"rates": [rate]}, content_type="application/json"
        )

    assert put("gib-months").json() == {"changed": 1, "unchanged": 0}
    assert put("GiB-month").json() == {"changed": 0, "unchanged": 1}
    assert put("GB-month").json() == {"changed": 1, "unchanged": 0}
    [listed] = api.get("/api/v1/rates").json()["rates"]
    assert (listed["unit_price"], listed["unit"]) == (0.023, "GB-month")

    refused = put("1M tokens")
    [error] = refused.json()["errors"]
    assert refused.status_code == 400
    assert (error["code"], error["fields"]) == ("invalid_unit", ["rates[0].unit"])


@pytest.mark.django_db
def test_the_admin_takes_and_shows_the_unit(acme: WhiteLabel, client: Client) -> None:
    client.force_login(make_user("fin", "finance"))
    rate = {
        "white_label": acme.pk,
        "product": "a100",
        "meter": "gpu_seconds",
        "unit_price": "2.50",
        "benchmark_unit_price": "0",
    }
    url = reverse("admin:metrics_rate_add")
    assert client.post(url, {**rate, "unit": "GB-month"}).status_code == 200
    assert client.post(url, {**rate, "unit": "per GPU hour"}).status_code == 302
    stored = Rate.objects.get()
    assert stored.unit == "GPU-hour"
    assert stored.base_price * 3600 == pytest.approx(Decimal("2.5"))
    assert (
        "GPU-hour"
        in client.get(reverse("admin:metrics_rate_changelist")).content.decode()
    )


@pytest.mark.django_db
@pytest.mark.usefixtures("frozen")
def test_another_unit_is_another_price(acme: WhiteLabel, org: Organization) -> None:
    price(acme, "1", "1,000 requests", "requests")
    record(acme, [event("a", timestamp="2026-11-20T08:00:00Z")])
    price(acme, "1", "", "requests")
    at = datetime(2026, 11, 20, 9, tzinfo=UTC).isoformat()
    record(acme, [event("b", timestamp=at)])
    assert period_cost(org.pk, number=1).cost == Decimal("5.005")
