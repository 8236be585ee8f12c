"""Compare real traces with separately computed sums; `make real` runs this.

Needs `../shared/tools/real_events.py`; not collected by `make test`.
"""

import csv
import json
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from billing.forecast.weekdays import forecast_costs
from billing.ledger.queries.cost_differences import explain_spans
from billing.ledger.queries.cost_spans import CostSpan
from billing.ledger.queries.difference_texts import (
    shown_difference,
    shown_terms,
    summarize,
)
from billing.money import exactly
from metrics.periods import DayRange
from metrics.queries.series import SeriesFilters, series
from orgs.catalog import Scope
from orgs.commands.keys import create_api_key
from orgs.models import Organization, WhiteLabel
from tests import ROOT

TOOL = ROOT.parent / "shared" / "tools" / "real_events.py"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not TOOL.exists():
        pytest.exit(f"{TOOL} is not here: nothing to check", returncode=0)
    folder = tmp_path_factory.mktemp("real")
    subprocess.run([sys.executable, TOOL, folder], check=True)
    return folder


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _fetch(sql: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


@pytest.mark.django_db
def test_sums_and_costs_equal_the_truth(files: Path) -> None:
    call_command("create_white_label", "real", name="Real traces")
    for command, name in (
        ("load_organizations", "organizations.ndjson"),
        ("load_rates", "rates.csv"),
        ("load_usage", "events.ndjson"),
        ("load_usage", "events.ndjson"),
    ):
        call_command(command, str(files / name), white_label="real")

    truth = {
        (r["organization"], r["date"], r["meter"]): int(r["quantity"])
        for r in _rows(files / "truth_daily.csv")
    }
    recorded = {
        (str(external_id), str(day), str(meter)): int(str(quantity))
        for external_id, day, meter, quantity in _fetch(
            "select o.external_id, u.day, u.meter, sum(u.quantity)"
            " from metrics_usage u join orgs_organization o"
            " on o.id = u.organization_id group by 1, 2, 3"
        )
    }
    assert recorded == truth

    totals = {
        (r["organization"], r["meter"]): int(r["quantity"])
        for r in _rows(files / "truth_totals.csv")
    }
    summed: Counter[tuple[str, str]] = Counter()
    for (organization, _, meter), quantity in recorded.items():
        summed[organization, meter] += quantity
    assert summed == totals

    costs = _check_costs(files)
    calls = _check_contracts(totals)
    pairs = check_differences(list(Organization.objects.select_related("white_label")))
    print(
        f"equal: {len(truth)} daily sums, {len(totals)} totals,"
        f" {costs} costs = quantity x price; {calls} responses of contracts A, B and C"
        f" agree with them and with the pages; {pairs} differences of costs add up"
    )


def _check_contracts(totals: dict[tuple[str, str], int]) -> int:
    """Compare the responses of each contract with the true sums and with the pages."""
    white_label = WhiteLabel.objects.get(slug="real")
    WhiteLabel.objects.update(default_rate_limit=1_000_000)
    _, key = create_api_key(white_label, name="check", scopes=list(Scope))
    client = Client(headers={"x-api-key": key})
    tomorrow = timezone.now().date() + timedelta(days=1)
    days = DayRange(tomorrow - timedelta(days=500), tomorrow)
    organizations = Organization.objects.filter(white_label=white_label)
    assert white_label.owner is not None
    for organization in organizations.exclude(pk=white_label.owner.pk):
        used = {
            meter: quantity
            for (external_id, meter), quantity in totals.items()
            if external_id == organization.external_id
        }
        page = series(organization.pk, SeriesFilters(days)).total.cost
        assert _totals_of_c(client, organization, days) == {page}
        _check_a(client, white_label.owner.pk, organization, used)
        _check_b(white_label, organization, used, page)
    return 6 * (organizations.count() - 1)


def check_differences(
    organizations: Sequence[Organization], *, pairs: int = 5, seed: int = 7
) -> int:
    """Compare the terms of random pairs of ranges with the costs of their days."""
    rng, today = random.Random(seed), timezone.now().date()
    for organization in organizations:
        for _ in range(pairs):
            ranges = [
                DayRange(start, start + timedelta(days=rng.randint(1, 90)))
                for start in (
                    today - timedelta(days=rng.randint(1, 500)) for _ in range(2)
                )
            ]
            _check_difference(organization, *ranges)
    return pairs * len(organizations)


def _check_difference(
    organization: Organization, days: DayRange, compared: DayRange
) -> None:
    difference = explain_spans(organization, CostSpan(days), CostSpan(compared))
    with exactly():
        costs = [
            series(organization.pk, SeriesFilters(one)).total.cost
            for one in (days, compared)
        ]
        assert difference.difference == costs[0] - costs[1]
        terms = sum(term.amount for term in difference.terms)
        by_project = sum(row.amount for row in difference.projects)
        causes = sum(cause.amount for cause in difference.causes)
        assert {terms, by_project, causes} <= {difference.difference}
        assert sum(shown_terms(difference).values()) == shown_difference(difference)
    assert summarize(difference)


def _get(client: Client, url: str) -> Any:
    response = client.get(url)
    assert response.status_code == 200, (url, response.content)
    return json.loads(response.content, parse_float=Decimal)


def _totals_of_c(
    client: Client, organization: Organization, days: DayRange
) -> set[Any]:
    url = f"/api/v1/billing/costs/{organization.pk}"
    span = f"from={days.start}&to={days.end}"
    totals = {_get(client, f"{url}?{span}")["costs"]["total"]}
    totals.add(_get(client, f"{url}/items?{span}")["costs"]["total"])
    for grain in ("daily", "monthly"):
        chart = _get(client, f"{url}/charts?{span}&bucketing_strategy={grain}")["data"]
        totals.add(sum(value["value"] for point in chart for value in point["values"]))
    return {Decimal(amount) for amount in totals}


def _check_a(
    client: Client, owner_id: int, organization: Organization, used: dict[str, int]
) -> None:
    url = f"/v1/api/organizations/{owner_id}/whitelabel/organizations"
    body = _get(client, f"{url}/{organization.pk}")
    assert len(body["dailyMetrics"]) == 365
    for meter, field, by_day in (
        ("cpu_seconds", "cpuComputeTime", "cpuComputeTimeSeconds"),
        ("gpu_seconds", "gpuComputeTime", "gpuComputeTimeSeconds"),
    ):
        assert body[field] == used.get(meter, 0)
        assert sum(day[by_day] for day in body["dailyMetrics"]) == used.get(meter, 0)
    stored = used.get("storage_bytes_added", 0) - used.get("storage_bytes_deleted", 0)
    assert body["totalStorage"] == stored


def _check_b(
    white_label: WhiteLabel,
    organization: Organization,
    used: dict[str, int],
    page: Decimal,
) -> None:
    scopes = [Scope.ORGANIZATIONS_READ]
    _, key = create_api_key(
        white_label, name="own", scopes=scopes, organization=organization
    )
    body = _get(Client(headers={"authorization": f"Bearer {key}"}), "/v1/orgs/current")
    for meter in ("prompt_tokens", "completion_tokens"):
        assert body[meter] == used.get(meter, 0)
    assert body["num_requests"] == used.get("requests", 0)
    if "cpu_seconds" not in used:
        assert Decimal(body["total_tokens_cost"]) == page


def _check_costs(files: Path) -> int:
    """Compare every daily cost with the quantity times the price in the files."""
    prices = {
        (r["product"], r["meter"]): (
            Decimal(r["unit_price"]),
            Decimal(r["benchmark_unit_price"]),
        )
        for r in _rows(files / "rates.csv")
    }
    expected: dict[tuple[str, str, str, str], int] = Counter()
    with (files / "events.ndjson").open() as file:
        for line in file:
            event = json.loads(line)
            for meter, quantity in event["quantities"].items():
                day = event["timestamp"][:10]
                key = event["organization"], day, event["product"], meter
                expected[key] += quantity
    stored = _fetch(
        "select o.external_id, u.day::text, u.product, u.meter, sum(u.quantity),"
        " sum(u.cost), sum(u.benchmark_cost)"
        " from metrics_usage u join orgs_organization o"
        " on o.id = u.organization_id group by 1, 2, 3, 4"
    )
    assert len(stored) == len(expected)
    for organization, day, product, meter, quantity, cost, benchmark in stored:
        price, mark = prices.get((str(product), str(meter)), (Decimal(0), Decimal(0)))
        exact = expected[str(organization), str(day), str(product), str(meter)]
        assert (quantity, cost, benchmark) == (exact, exact * price, exact * mark)
    return len(stored)


def _real_costs(files: Path) -> dict[str, list[float]]:
    """Return the daily costs of each organization, from its first day to the last."""
    prices = {
        (row["product"], row["meter"]): float(row["unit_price"])
        for row in _rows(files / "rates.csv")
    }
    costs: dict[str, Counter[date]] = defaultdict(Counter)
    for line in (files / "events.ndjson").read_text().splitlines():
        usage = json.loads(line)
        day = date.fromisoformat(usage["timestamp"][:10])
        costs[usage["organization"]][day] += sum(
            quantity * prices.get((usage["product"], meter), 0.0)
            for meter, quantity in usage["quantities"].items()
        )
    last = max(max(days) for days in costs.values())
    return {
        name: [
            float(days[min(days) + timedelta(days=at)])
            for at in range((last - min(days)).days + 1)
        ]
        for name, days in costs.items()
    }


@pytest.mark.parametrize("ahead", [3, 5, 7])
def test_the_forecast_is_better_than_a_straight_line(files: Path, ahead: int) -> None:
    """The error of the cost to date and `ahead` days more, relative to the outcome."""
    errors: dict[str, list[float]] = {"weekdays": [], "straight line": []}
    for costs in _real_costs(files).values():
        for origin in range(5, len(costs) - ahead + 1):
            before, actual = costs[:origin], sum(costs[origin : origin + ahead])
            if not sum(before):
                continue
            line = sum(before[-7:]) / len(before[-7:]) * ahead
            expected = forecast_costs(before).cost_of(ahead)
            total = sum(before) + actual
            errors["weekdays"].append(abs(expected - actual) / total)
            errors["straight line"].append(abs(line - actual) / total)
    means = {name: sum(values) / len(values) for name, values in errors.items()}
    shown = ", ".join(f"{name} {mean:.1%}" for name, mean in means.items())
    print(f"{ahead} days ahead, {len(errors['weekdays'])} forecasts: {shown}")
    assert means["weekdays"] < means["straight line"]
