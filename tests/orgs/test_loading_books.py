"""Loading organizations and rates, and the commands that create what they need."""

from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from billing.models import BillingPeriod
from metrics.models import OpenPeriod, Rate
from orgs.catalog import time_zones
from orgs.crypto import hash_key
from orgs.models import ApiKey, Entitlements, Member, Organization, WhiteLabel
from tests.factories import make_white_label
from tests.support.loading import Load, lines

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
RATES = "product,meter,unit_price,benchmark_unit_price,effective_from,organization\n"


@pytest.fixture
def load(acme: WhiteLabel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Load:
    return Load(tmp_path, capsys)


def run(command: str, *arguments: str) -> list[str]:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_organizations_are_loaded_once_with_their_members(load: Load) -> None:
    line = {
        "external_id": "new",
        "name": "New",
        "entitlements": {"storage_bytes": 2**40, "users": 5},
        "members": [{"external_id": f"m-{n}", "is_staff": n == 1} for n in range(3)],
        "projects": [{"external_id": "alpha"}],
    }
    more = {**line, "members": [{"external_id": "m-9"}]}

    first = load(lines(line), "load_organizations")
    again = load(lines(line, more), "load_organizations")

    assert first == (0, "accepted 1 updated 0 unchanged 0 rejected 0\n")
    assert again == (0, "accepted 0 updated 1 unchanged 1 rejected 0\n")
    new = Organization.objects.get(white_label__slug="acme", external_id="new")
    assert Member.objects.filter(organization=new).count() == 4
    assert Entitlements.objects.get(organization=new).users == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"external_id": ""},
        {"name": "x" * 201},
        {"name": "a\x00b"},
        {"is_staff": True},
        {"billing_email": "a@b\nc"},
        {"created_at": "2026-01-01T00:00:00"},
        {"contract_started_on": "2026-02-30"},
        {"entitlements": {"storage_bytes": -1}},
        {"entitlements": {"storage_bytes": 2**63}},
        {"entitlements": {"users": 2**31}},
        {"created_at": "0001-01-01T00:00:00+14:00"},
        {"created_at": "9999-12-31T23:59:59-12:00"},
        {"contract_started_on": "1999-12-31"},
        {"name": "a\u202eb"},
        {"members": [{"external_id": "m\n"}]},
        {"members": [{"external_id": "m", "added_at": "1999-01-01T00:00:00Z"}]},
        {"projects": [{"external_id": "p", "added_at": "2300-01-01T00:00:00Z"}]},
    ],
)
def test_an_invalid_organization_is_rejected_and_the_next_is_loaded(
    load: Load, changes: dict[str, Any]
) -> None:
    bad = {"external_id": "bad", "name": "Bad", **changes}
    good = {"external_id": "good", "name": "Good"}

    code, out = load(lines(bad, good), "load_organizations")

    assert (code, out) == (1, "accepted 1 updated 0 unchanged 0 rejected 1\n")
    assert load.refused() == [(1, "invalid_line")]
    assert not Organization.objects.filter(external_id="bad").exists()


def test_rates_are_loaded_once_and_replaced_by_another_price(load: Load) -> None:
    file = RATES + (
        "gpt,requests,0.000000000001,2,,\n"
        "gpt,requests,3,,2026-11-01,org-7\n"
        "storage,storage_byte_days,1e-9,0,2026-11-01T00:00:00 02:00,\n"
    )

    assert load(file, "load_rates")[1] == "accepted 3 duplicates 0 rejected 0\n"
    assert load(file, "load_rates")[1] == "accepted 0 duplicates 3 rejected 0\n"
    load(file.replace(",3,", ",4,"), "load_rates")

    own = Rate.objects.exclude(organization=None).order_by("id")
    assert [(r.unit_price, r.added_in, r.removed_in) for r in own] == [
        (Decimal(3), 1, 2),
        (Decimal(4), 2, None),
    ]
    assert own[0].effective_from == datetime(2026, 11, 1, tzinfo=UTC)
    stored = Rate.objects.get(product="storage")
    assert stored.unit_price == Decimal("0.000000001")
    assert stored.effective_from == datetime(2026, 10, 31, 22, tzinfo=UTC)


def test_a_rate_starts_with_the_day_of_the_white_label(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_white_label("acme", time_zone="Asia/Kathmandu")

    Load(tmp_path, capsys)(RATES + "gpt,requests,1,0,2026-11-01,\n", "load_rates")

    start = Rate.objects.get().effective_from
    assert start == datetime(2026, 10, 31, 18, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("gpt,requests,0.0000000000000000000000001,0,,", "too_precise"),
        ("gpt,requests,1.0000000000000000000000001,0,,", "too_precise"),
        ("gpt,requests,-1,0,,", "invalid_unit_price"),
        ("gpt,requests,NaN,0,,", "invalid_unit_price"),
        ("gpt,requests,sNaN,0,,", "invalid_unit_price"),
        ("gpt,requests,Infinity,0,,", "invalid_unit_price"),
        ("gpt,requests,1e400,0,,", "out_of_range"),
        ("gpt,requests,1E+999999,0,,", "out_of_range"),
        ("gpt,requests,1E-999999,0,,", "too_precise"),
        ("gpt,requests,1,-2,,", "invalid_benchmark_unit_price"),
        ("gpt,requests,,0,,", "invalid_unit_price"),
        ("gpt,smiles,1,0,,", "unknown_meter"),
        ("g?pt,requests,1,0,,", "invalid_product"),
        ("gpt,requests,1,0,,org-8", "organization_not_found"),
        ("gpt,requests,1,0,yesterday,", "invalid_effective_from"),
        ("gpt,requests,1,0,1999-12-31,", "invalid_effective_from"),
        ("gpt,requests,1,0,0001-01-01,", "invalid_effective_from"),
        ("gpt,requests,1,0,9999-12-31T23:59:59Z,", "invalid_effective_from"),
    ],
)
def test_an_invalid_rate_is_rejected_and_the_next_is_loaded(
    load: Load, row: str, code: str
) -> None:
    file = RATES + f"{row}\ngpt,requests,7,0,,\n"

    assert load(file, "load_rates") == (1, "accepted 1 duplicates 0 rejected 1\n")
    assert load.refused() == [(2, code)]
    assert Rate.objects.get().unit_price == 7


@pytest.mark.parametrize(
    ("zone", "outside", "inside"),
    [
        ("America/New_York", "2199-12-31T19:00:00-05:00", "2199-12-31T18:59:59-05:00"),
        ("Asia/Kathmandu", "2000-01-01", "2000-01-02"),
        ("Asia/Kathmandu", "1999-12-31T23:59:59Z", "2000-01-01T00:00:00Z"),
    ],
)
def test_a_start_is_within_the_years_that_are_stored(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    zone: str,
    outside: str,
    inside: str,
) -> None:
    make_white_label("acme", time_zone=zone)
    load = Load(tmp_path, capsys)
    file = RATES + f"gpt,requests,1,0,{outside},\ngpt,requests,1,0,{inside},\n"

    assert load(file, "load_rates") == (1, "accepted 1 duplicates 0 rejected 1\n")
    assert load.refused() == [(2, "invalid_effective_from")]


def test_rates_require_their_columns(load: Load) -> None:
    with pytest.raises(CommandError, match="benchmark_unit_price"):
        load("product,price\ngpt,1\n", "load_rates")


def test_a_white_label_is_created_with_owner_and_open_period() -> None:
    [line] = run("create_white_label", "north", "--name", "North", "--currency", "eur")

    label = WhiteLabel.objects.get(slug="north")
    assert "north" in line
    assert str(label.owner_id) in line
    owner = Organization.objects.get(white_label=label)
    assert (owner.pk, owner.is_billable) == (label.owner_id, False)
    assert OpenPeriod.objects.get(pk=owner.pk).number == 1
    assert BillingPeriod.objects.get(organization=owner).ends_at is None


@pytest.mark.parametrize("code", ["EUR", "sar", "Kwd", " ngn ", "ISK", "clp"])
def test_a_white_label_takes_any_currency_in_any_case(code: str) -> None:
    run("create_white_label", "north", "--name", "North", "--currency", code)

    label = WhiteLabel.objects.get(slug="north")
    assert label.currency == code.strip().lower()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["acme"], "white_label_exists"),
        (["a b"], "invalid_slug"),
        (["x", "--gpu-weight", "0"], "invalid_gpu_weight"),
        (["x", "--currency", "xyz"], "invalid_currency"),
        (["x", "--currency", "usdc"], "invalid_currency"),
        (["x", "--currency", ""], "invalid_currency"),
        *(
            (["x", "--time-zone", zone], "invalid_time_zone")
            for zone in (
                *("Foo/Bar", "", "A" * 300, "utc", "Europe", "tzdata.zi"),
                *("../../etc/passwd", "/etc/passwd", "localtime", "posixrules"),
                *("Europe/../Europe/Zurich", "posix/Europe/Zurich", "EST5EDT"),
            )
        ),
    ],
)
def test_an_invalid_white_label_is_reported_in_one_line(
    acme: WhiteLabel, arguments: list[str], code: str
) -> None:
    with pytest.raises(CommandError) as refused:
        run("create_white_label", *arguments, "--name", "X")

    assert f"({code})" in str(refused.value)
    assert WhiteLabel.objects.count() == 2


def test_every_allowed_time_zone_is_known_to_postgresql() -> None:
    with connection.cursor() as cursor:
        cursor.execute("select name from pg_timezone_names")
        known = {name for (name,) in cursor.fetchall()}

    assert time_zones() <= known


@pytest.mark.parametrize("scopes", [
    ["--scope", "billing:read", "usage:write"],
    ["--scope", "billing:read", "--scope", "usage:write"],
])  # fmt: skip
def test_a_key_is_printed_last_and_stored_only_as_a_hash(
    org: Organization, scopes: list[str]
) -> None:
    lines = run("create_api_key", "--white-label", "acme", *scopes,
               "--organization", "org-7")  # fmt: skip

    key = ApiKey.objects.get()
    text = lines[-1]
    assert text.startswith("ei_")
    assert len(text) >= 32
    assert bytes(key.key_hash) == hash_key(text)
    assert key.scopes == ["billing:read", "usage:write"]
    assert (key.organization_id, key.start) == (org.id, text[:10])
    assert text not in str(ApiKey.objects.values_list()[0])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scope", "everything"],
        [],
        ["--scope", "billing:read", "--organization", "org-8"],
    ],
)
def test_a_key_with_invalid_arguments_is_refused(
    acme: WhiteLabel, arguments: list[str]
) -> None:
    with pytest.raises(CommandError):
        run("create_api_key", "--white-label", "acme", *arguments)

    assert not ApiKey.objects.exists()
