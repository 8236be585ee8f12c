"""Real traces against the truth computed beside them; `make real` runs this.

Needs `../shared/tools/real_events.py`; not collected by `make test`.
"""

import csv
import json
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

TOOL = Path(__file__).resolve().parents[2] / "shared" / "tools" / "real_events.py"


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
    found = {
        (str(external_id), str(day), str(meter)): int(str(quantity))
        for external_id, day, meter, quantity in _fetch(
            "select o.external_id, u.day, u.meter, sum(u.quantity)"
            " from metrics_dailyusage u join orgs_organization o"
            " on o.id = u.organization_id group by 1, 2, 3"
        )
    }
    assert found == truth

    totals = {
        (r["organization"], r["meter"]): int(r["quantity"])
        for r in _rows(files / "truth_totals.csv")
    }
    summed: Counter[tuple[str, str]] = Counter()
    for (organization, _, meter), quantity in found.items():
        summed[organization, meter] += quantity
    assert summed == totals

    costs = _check_costs(files)
    print(
        f"equal: {len(truth)} daily sums, {len(totals)} totals,"
        f" {costs} costs = quantity x price"
    )


def _check_costs(files: Path) -> int:
    """Every daily cost against the product of the file's own quantity and price."""
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
    found = _fetch(
        "select o.external_id, u.day::text, u.product, u.meter, sum(u.quantity),"
        " sum(u.cost), sum(u.benchmark_cost)"
        " from metrics_dailyusage u join orgs_organization o"
        " on o.id = u.organization_id group by 1, 2, 3, 4"
    )
    assert len(found) == len(expected)
    for organization, day, product, meter, quantity, cost, benchmark in found:
        price, mark = prices.get((str(product), str(meter)), (Decimal(0), Decimal(0)))
        exact = expected[str(organization), str(day), str(product), str(meter)]
        assert (quantity, cost, benchmark) == (exact, exact * price, exact * mark)
    return len(found)
