"""Loading commands: encodings, spreadsheets' dialects, broken files, and rejects."""

import gzip
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from django.test import override_settings

from metrics.models import Rate, UsageEvent
from orgs.models import Organization, Project, WhiteLabel
from tests.factories import event, usage_of
from tests.support.loading import Load, lines

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
HEADER = "id,organization,timestamp,product,project,requests\n"
ROWS = (
    "a,org-7,2026-11-21T05:00:00Z,gpt,K\u00fcche,7\n"
    "b,org-7,2026-11-21T06:00:00Z,gpt,,11\n"
)
RATES = "product,meter,unit_price,benchmark_unit_price,effective_from,organization\n"


@pytest.fixture
def load(acme: WhiteLabel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Load:
    return Load(tmp_path, capsys)


def with_delimiter(text: str, delimiter: str) -> str:
    return text.replace(",", delimiter)


SEMICOLONS = with_delimiter(HEADER + ROWS, ";")
TABS = with_delimiter(HEADER + ROWS, "\t")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param((HEADER + ROWS).encode(), id="commas"),
        pytest.param(SEMICOLONS.encode(), id="semicolons"),
        pytest.param(SEMICOLONS.encode("utf-8-sig"), id="semicolons, UTF-8 mark"),
        pytest.param(TABS.encode(), id="tabs"),
        pytest.param(TABS.encode("utf-16"), id="Excel's Unicode text"),
        pytest.param(b"\xfe\xff" + TABS.encode("utf-16-be"), id="UTF-16, big-endian"),
        pytest.param(gzip.compress(TABS.encode("utf-16")), id="UTF-16, gzip"),
        pytest.param(b"sep=;\r\n" + SEMICOLONS.encode(), id="sep=;"),
        pytest.param(
            b'"sep=|"\n' + with_delimiter(HEADER + ROWS, "|").encode(), id="sep=|"
        ),
        pytest.param((HEADER.upper() + ROWS).encode(), id="capitals"),
        pytest.param(with_delimiter(HEADER + ROWS, ", ").encode(), id="padded"),
        pytest.param(with_delimiter(HEADER + ROWS, " ; ").encode(), id="padded ;"),
        pytest.param((HEADER + ROWS).replace("\n", "\r\n").encode(), id="CRLF"),
        pytest.param((HEADER + ROWS + ",,,,,\n\n").encode(), id="empty rows"),
        pytest.param(
            b'"id", "organization", "timestamp", "product", "project", "requests"\n'
            + ROWS.encode(),
            id="quoted and padded",
        ),
    ],
)
def test_every_dialect_of_csv_gives_the_same_usage(
    load: Load, org: Organization, content: bytes
) -> None:
    assert load(content) == (0, "accepted 2 duplicates 0 rejected 0\n")

    assert usage_of(org, "quantity") == [(11,), (7,)]
    assert Project.objects.get(organization=org).external_id == "K\u00fcche"
    assert load(HEADER + ROWS) == (0, "accepted 0 duplicates 2 rejected 0\n")


def test_ndjson_in_utf_16_is_read(load: Load) -> None:
    assert load(lines(event("a"), event("b")).encode("utf-16"))[0] == 0
    assert UsageEvent.objects.count() == 2


def test_rates_take_the_same_dialects(load: Load) -> None:
    rows = "Product;Meter;Unit Price;Effective From\ngpt;requests;0.5;2026-11-01\n"

    assert load(rows.encode("utf-16"), "load_rates")[0] == 0

    assert Rate.objects.get().unit_price == 0.5


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (HEADER + ROWS + "c,org-7\n", "line 4: the row has 2 cells"),
        (HEADER + ROWS + "c,org-7,2026-11-21T05:00:00Z,gpt,,1,,\n", "line 4"),
        (HEADER + ROWS + 'c,org-7,2026-11-21T05:00:00Z,gpt,"no end,1\n', "line 4"),
        (HEADER + '"c\n' + ROWS * 2_000, "line 2.*no closing"),
        (HEADER + ROWS + 'c,"org"-7,2026-11-21T05:00:00Z,gpt,,1\n', "line 4"),
        (HEADER.replace("project", "requests") + ROWS, "more than once: 'requests'"),
        (HEADER.replace("requests", "Requests,requests") + ROWS, "more than once"),
        (HEADER.replace("requests", "reqs") + ROWS, "unknown column: 'reqs'"),
        (HEADER.replace("\n", ",\n") + ROWS, "unknown column: ''"),
        (SEMICOLONS.replace("product", "model"), "semicolons.*unknown column"),
        (with_delimiter(HEADER + ROWS, ";").replace("id;", ""), "semicolons"),
        ("Kennung;Kunde\n1;2\n", "begins with 'Kennung;Kunde'. Accepted: NDJSON"),
        ((HEADER + ROWS).replace("\n", "\r"), "CR alone"),
        ((HEADER + ROWS).encode("utf-16-le"), "without a byte order mark"),
        ((HEADER + ROWS).encode("utf-32"), "UTF-32"),
        (b"PK\x03\x04workbook", "Excel workbook"),
        ("\u00fcid,".encode("cp1252") + HEADER.encode(), "byte 1 is 0xFC"),
        ((HEADER + ROWS).encode("utf-16") + b"\x00", "not valid UTF-16"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_is_refused_in_one_line(
    load: Load, content: bytes | str, problem: str
) -> None:
    with pytest.raises(CommandError, match=problem) as refused:
        load(content)

    assert "\n" not in str(refused.value)
    assert UsageEvent.objects.count() == 0
    assert not load.rejects.exists()


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("gpt,requests,1", "line 3: the row has 3 cells"),
        ("gpt,requests,1,0,,,,", "line 3: the row has 8 cells"),
        ('gpt,requests,"1,0,,', "line 3.*no closing"),
    ],
)
def test_rates_are_refused_as_a_whole_as_well(
    load: Load, row: str, problem: str
) -> None:
    file = RATES + "gpt,requests,7,0,,\n" + row + "\n"

    with pytest.raises(CommandError, match=problem):
        load(file, "load_rates")

    assert not Rate.objects.exists()


@pytest.mark.parametrize(
    "content", ["external_id,name\nnew,New\n", "external_id;name\nnew;New\n"]
)
def test_organizations_are_not_csv(load: Load, content: str) -> None:
    with pytest.raises(CommandError, match=r"begins with .external_id.*NDJSON"):
        load(content, "load_organizations")


def test_standard_input_stops_at_a_broken_row(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO((HEADER + ROWS + "c,org-7\n").encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(raw)))

    with pytest.raises(CommandError, match="standard input: line 4"):
        load.path("-")
    assert UsageEvent.objects.count() == 0


@pytest.mark.parametrize("content", [HEADER + ROWS, HEADER + ROWS + "c,org-7\n"])
def test_a_pipe_is_read_once(load: Load, content: str) -> None:
    """A pipe, as `<(zcat x.csv.gz)` makes one, has its rows for one reader only."""
    reader, writer = os.pipe()
    os.write(writer, gzip.compress(content.encode()))
    os.close(writer)
    try:
        if content == HEADER + ROWS:
            assert load.path(f"/dev/fd/{reader}")[1].startswith("accepted 2 ")
        else:
            with pytest.raises(CommandError, match="line 4"):
                load.path(f"/dev/fd/{reader}")
    finally:
        os.close(reader)


def test_text_that_is_not_utf_8_is_refused_with_line_and_byte(
    load: Load, org: Organization
) -> None:
    rows = "k\u00fc,org-7,2026-11-21T05:00:00Z,gpt,,1\n" + ROWS.replace(
        "K\u00fcche", "K\u00f6che"
    )

    code, out = load((HEADER + rows).encode("cp1252"))

    assert (code, out) == (1, "accepted 1 duplicates 0 rejected 2\n")
    first, second = load.rejected_rows()
    assert "Line 2 is not UTF-8: its byte 2 is 0xFC" in first["message"]
    assert "Line 3 is not UTF-8: its byte 35 is 0xF6" in second["message"]
    assert not Project.objects.exists()
    # The bytes are kept: converted to UTF-8, the rejects are loaded as they were meant.
    text = load.rejects.read_bytes().decode("cp1252")
    load.rejects.unlink()
    assert load(text) == (0, "accepted 2 duplicates 0 rejected 0\n")
    assert Project.objects.get(organization=org).external_id == "K\u00f6che"


@pytest.mark.parametrize("command", ["load_usage", "load_organizations"])
def test_a_line_of_json_that_is_not_utf_8_is_refused_with_its_byte(
    load: Load, command: str
) -> None:
    code, _ = load(b'{"id": 1}\n{"name": "K\xfcche"}\n', command)

    assert code == 1
    assert load.rejected_rows()[1]["code"] == "invalid_encoding"
    assert "Line 2 is not UTF-8: its byte 12 is" in load.rejected_rows()[1]["message"]


def test_rejected_rows_can_be_fixed_and_loaded_again(load: Load) -> None:
    file = HEADER + ROWS + 'c,org-7,2026-11-21T05:00:00Z,gpt,"two\nlines",1.5\n'

    assert load(file)[0] == 1

    [row] = load.rejected_rows()
    assert (row["line"], row["id"], row["requests"]) == ("4", "c", "1.5")
    fixed = load.rejects.read_text().replace(",1.5", ",15")
    load.rejects.unlink()
    assert load(fixed) == (0, "accepted 1 duplicates 0 rejected 0\n")
    assert UsageEvent.objects.get(event_id="c").quantities == {"requests": 15}


def test_rejected_lines_can_be_fixed_and_loaded_again(load: Load) -> None:
    file = lines(event("a"), event("b", product="g?pt"), event("c", organization="x"))
    file += "{" + lines(event("d"))

    assert load(file)[0] == 1

    rows = load.rejected_rows()
    assert [row["line"] for row in rows] == ["2", "3", "4"]
    assert json.loads(rows[0]["original"])["id"] == "b"
    fixed = (
        load.rejects.read_text().replace("g?pt", "gpt").replace('""x""', '""org-7""')
    )
    load.rejects.unlink()
    assert load(fixed) == (1, "accepted 2 duplicates 0 rejected 1\n")
    assert load.rejected_rows()[0]["original"] == rows[2]["original"]


def test_rejected_organizations_can_be_fixed_and_loaded_again(load: Load) -> None:
    load(lines({"external_id": "new", "nam": "New"}), "load_organizations")

    fixed = load.rejects.read_text().replace('""nam""', '""name""')

    assert load(fixed, "load_organizations")[0] == 0
    assert Organization.objects.get(external_id="new").name == "New"


def test_rejects_of_files_with_the_same_name_are_not_overwritten(
    load: Load, tmp_path: Path
) -> None:
    load.rejects = None  # type: ignore[assignment]  # the default path
    with override_settings(STATE_DIR=tmp_path):
        load(lines(event(organization="x")))
        load(lines(event(organization="y")))

    first, second = sorted((tmp_path / "rejects").iterdir())
    assert '""x""' in second.read_text() + first.read_text()
    assert '""y""' in second.read_text() + first.read_text()


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"product": "a?b"}, ["`product`", '"a?b"', "characters"]),
        ({"timestamp": "yesterday"}, ["`timestamp`", '"yesterday"', "RFC 3339"]),
        ({"timestamp": "2026-11-21T05:00:00"}, ["`timestamp`", "05:00:00", "offset"]),
        ({"quantities": {"requests": 1.5}}, ["`quantities.requests`", "1.5", "whole"]),
        ({"quantities": []}, ["`quantities`", "[]", "object"]),
        ({"organization": "x"}, ["external ID", "'x'"]),
        ({"quantities": {"smiles": 1}}, ["meter 'smiles'", "Accepted: ", "requests"]),
        ({"smiles": 1}, ["'smiles'", "Accepted: ", "timestamp"]),
        ({"id": ""}, ["`id`", '""', "1 to 200 characters"]),
        ({"timestamp": "2020-01-01T00:00:00Z"}, ["`timestamp`", "2020-01-01", "400"]),
    ],
)
def test_a_reject_names_the_field_the_value_and_what_is_accepted(
    load: Load, change: dict[str, Any], parts: list[str]
) -> None:
    load(lines(event(**change)))

    [row] = load.rejected_rows()
    assert all(part in row["message"] for part in parts), row["message"]


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"name": 7}, ["`name`", "7", "1 to 200 characters"]),
        (
            {"members": [{"external_id": "a"}, {"external_id": ""}]},
            ["`members[1].external_id`", '""', "1 to 200"],
        ),
        (
            {"members": [{"external_id": "a", "added_at": "1999-01-01T00:00:00Z"}]},
            ["`members[0].added_at`", "1999", "2000"],
        ),
        ({"members": [{"email": "a@b.c"}]}, ["`members[0].external_id` is required"]),
        ({"members": "none"}, ["`members`", '"none"', "list"]),
        (
            {"entitlements": {"users": -1}},
            ["`entitlements.users`", "-1", "whole number"],
        ),
        ({"entitlements": {"user": 1}}, ["`entitlements.user`", "Accepted: ", "users"]),
        ({"created_at": "2026-01-01T00:00:00"}, ["`created_at`", "offset"]),
        (
            {"contract_started_on": "01.02.2026"},
            ["`contract_started_on`", "01.02.2026", "2026-01-31"],
        ),
        ({"billing_email": "a@b\nc"}, ["`billing_email`", "email address"]),
    ],
)
def test_a_rejected_organization_names_the_field_and_the_value(
    load: Load, change: dict[str, Any], parts: list[str]
) -> None:
    line = {"external_id": "new", "name": "New", **change}

    load(lines(line), "load_organizations")

    [row] = load.rejected_rows()
    assert all(part in row["message"] for part in parts), row["message"]


def test_a_repeated_key_of_an_organization_is_refused(load: Load) -> None:
    line = '{"external_id": "new", "name": "New", "name": "Old"}\n'

    assert load(line, "load_organizations")[0] == 1
    assert "more than once" in load.rejected_rows()[0]["message"]


def test_the_commonest_reasons_are_printed(load: Load) -> None:
    path = load.folder / "file"
    path.write_text(lines(*(event(f"e-{n}", organization="x") for n in range(5))))

    load.path(str(path))

    assert "5 organization_not_found, first in line 1: " in load.errors
    assert str(load.rejects) in load.errors


def test_rejects_have_the_beginning_of_a_line_that_is_too_long(load: Load) -> None:
    load(lines(event("c" * 1_000_001), event("a")))

    [row] = load.rejected_rows()
    assert (row["code"], len(row["original"])) == ("line_too_long", 1_000)
    assert UsageEvent.objects.count() == 1
