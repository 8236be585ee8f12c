"""CSV of the API: exact for programs, and as it is for Excel."""

import csv
import io
from decimal import Decimal

import pytest
from django.test import Client

from orgs.models import Organization, WhiteLabel
from orgs.schemas.csv import csv_parts, csv_text
from tests.factories import event, make_key, make_rate, record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
MARK = b"\xef\xbb\xbf"


@pytest.fixture
def api(acme: WhiteLabel) -> Client:
    scopes = ("billing:read", "organizations:read")
    return Client(headers={"x-api-key": make_key(acme, *scopes)})


def costs(content: bytes) -> dict[str, str]:
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    return {row["product"]: row["cost"] for row in rows}


def test_costs_for_excel_keep_products_as_text(
    api: Client, acme: WhiteLabel, org: Organization
) -> None:
    names = ["1E5", "007", "gpt", "=1+2", "+x", "@cf/llama", "-y"]
    for number, name in enumerate(names):
        make_rate(acme, "0.000000000001", product=name)
        record(acme, [event(f"e{number}", product=name)])
    url = f"/api/v1/organizations/{org.pk}/costs.csv?from=2026-11-21"

    plain, excel = api.get(url).content, api.get(f"{url}&for=excel").content

    assert not plain.startswith(MARK)
    assert excel.startswith(MARK)
    assert {*costs(plain)} == {"1E5", "007", "gpt", "'=1+2", "'+x", "'@cf/llama", "'-y"}
    assert {*costs(excel)} == {
        *('="1E5"', '="007"', "gpt"),
        *("'=1+2", "'+x", "'@cf/llama", "'-y"),
    }
    for content in (plain, excel):  # a point, and no exponent
        assert {cost.rstrip("0") for cost in costs(content).values()} == {
            "0.000000000005"
        }


@pytest.mark.parametrize("name", ["costs.csv", "metrics.csv"])
def test_another_program_is_refused(api: Client, org: Organization, name: str) -> None:
    url = f"/api/v1/organizations/{org.pk}/{name}"

    assert api.get(f"{url}?for=excel").content.startswith(MARK)
    assert not api.get(url).content.startswith(MARK)
    response = api.get(f"{url}?for=numbers")
    assert response.status_code == 400
    assert response.json()["errors"][0]["fields"] == ["for"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ("2025-11-22", "2026-11-21", 365)),
        ("?from=2026-11-01", ("2026-11-01", "2026-11-21", 21)),
        ("?to=2026-11-01", ("2025-11-01", "2026-10-31", 365)),
        ("?from=2026-11-01&to=2026-11-03", ("2026-11-01", "2026-11-02", 2)),
        ("?from=2026-11-01T23:59:59.9999999Z&to=2026-11-02",
         ("2026-11-01", "2026-11-01", 1)),
    ],
)  # fmt: skip
def test_daily_metrics_of_a_range(
    api: Client, org: Organization, query: str, expected: tuple[str, str, int]
) -> None:
    content = api.get(f"/api/v1/organizations/{org.pk}/metrics.csv{query}").content

    days = [row["day"] for row in csv.DictReader(io.StringIO(content.decode()))]
    assert (days[0], days[-1], len(days)) == expected


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("from=2026-11-01&to=2026-11-01", 200),
        ("from=2026-11-02&to=2026-11-01", 400),
        ("from=2020-01-01&to=2026-11-01", 400),
        ("from=yesterday", 400),
    ],
)
def test_daily_metrics_of_an_empty_or_invalid_range(
    api: Client, org: Organization, query: str, status: int
) -> None:
    response = api.get(f"/api/v1/organizations/{org.pk}/metrics.csv?{query}")

    assert response.status_code == status
    if status == 200:
        assert len(response.content.splitlines()) == 1


@pytest.mark.parametrize(
    ("cell", "plain", "excel"),
    [
        ("o-1", "o-1", "o-1"),
        ("007", "007", '="007"'),
        ("1E5", "1E5", '="1E5"'),
        ("123456789012345678", "123456789012345678", '="123456789012345678"'),
        (" 1.5 ", " 1.5 ", '=" 1.5 "'),
        (".5", ".5", '=".5"'),
        ("$5", "$5", '="$5"'),
        ("2026-11-01", "2026-11-01", '="2026-11-01"'),
        ("Sep-4", "Sep-4", '="Sep-4"'),
        ("FALSE", "FALSE", '="FALSE"'),
        ('5" disk', '5" disk', '="5"" disk"'),
        ("=A1", "'=A1", "'=A1"),
        ("-5", "'-5", "'-5"),
        ("\tx", "'\tx", "'\tx"),
        ("1" * 256, "1" * 256, "'" + "1" * 256),
        (7, "7", "7"),
        (Decimal("1E-7"), "0.0000001", "0.0000001"),
        (Decimal("1E+7"), "10000000", "10000000"),
        (None, "", ""),
    ],
)
def test_a_cell(cell: str | int | Decimal | None, plain: str, excel: str) -> None:
    def read(text: str) -> str:
        [[one, _]] = csv.reader(io.StringIO(text.partition("\r\n")[2], newline=""))
        return one

    assert read(csv_text(("a", "b"), [(cell, 0)])) == plain
    assert read(csv_text(("a", "b"), [(cell, 0)], for_excel=True)) == excel


def test_a_long_file_comes_in_parts() -> None:
    parts = list(csv_parts(("a",), ((n,) for n in range(100_000))))

    assert len(parts) > 5
    assert max(map(len, parts)) < 70_000
    assert "".join(parts).splitlines()[-1] == "99999"
