"""Loading usage: accepted and rejected lines, output, and repeated runs."""

import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from metrics.models import UsageEvent
from orgs.models import Organization, Project, WhiteLabel
from tests.factories import event, usage_of
from tests.support.loading import Load, lines

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
CSV = "id,organization,timestamp,product,project,requests,cpu_seconds\n"


@pytest.fixture
def load(acme: WhiteLabel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Load:
    return Load(tmp_path, capsys)


def test_ndjson_is_recorded_and_a_second_run_adds_nothing(
    load: Load, org: Organization
) -> None:
    file = lines(event("a"), event("b", quantities={"requests": 7}))

    assert load(file) == (0, "accepted 2 duplicates 0 rejected 0\n")
    assert load(file) == (0, "accepted 0 duplicates 2 rejected 0\n")
    assert usage_of(org, "quantity") == [(12,)]
    assert not load.rejects.exists()


def test_csv_has_a_column_for_each_meter(load: Load, org: Organization) -> None:
    file = CSV + (
        'a,org-7,2026-11-21T05:00:00Z,gpt,"al,pha",7,\n'
        "b,org-7,2026-11-21T06:00:00Z,gpt,,,11\n"
    )

    assert load(file) == (0, "accepted 2 duplicates 0 rejected 0\n")
    assert usage_of(org, "meter", "quantity") == [("cpu_seconds", 11), ("requests", 7)]
    assert Project.objects.get(organization=org).name == "al,pha"


def test_ndjson_and_csv_of_an_event_are_the_same_event(load: Load) -> None:
    load(lines(event("a")))

    assert load(CSV + "a,org-7,2026-11-21T11:00:00Z,gpt,,5,\n") == (
        0,
        "accepted 0 duplicates 1 rejected 0\n",
    )


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
@pytest.mark.parametrize("text", [lines(event("a")), CSV + "a,org-7,2026-11-21T11:00:00Z,gpt,,5,\r\n"])  # fmt: skip  # noqa: E501
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_can_be_compressed_and_begin_with_a_bom(
    load: Load, start: bytes, text: str, pack: Any
) -> None:
    assert (
        load(pack(start + text.encode()))[1] == "accepted 1 duplicates 0 rejected 0\n"
    )


def test_standard_input_is_read(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO(gzip.compress(lines(event("a"), event("b")).encode()))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(raw)))

    assert load.path("-") == (0, "accepted 2 duplicates 0 rejected 0\n")


def test_invalid_lines_are_listed_by_number_and_others_are_loaded(
    load: Load, org: Organization
) -> None:
    file = (
        b"\n"  # blank lines count as lines, and are skipped
        + lines(event("a")).encode()
        + b'{"id": "b"\n'
        + b"  \n"
        + b'{"id": "\xff\xfe"}\n'
        + lines(event("c" * 1_000_001)).encode()
        + lines(event("d", quantities={"requests": 1.0})).encode()
        + lines(event("e", quantities={"requests": "7"})).encode()
        + lines(event("f", quantities={"requests": True})).encode()
        + lines(event("g", organization="org-8"), event("h")).encode()
    )

    code, out = load(file)

    assert (code, out) == (1, "accepted 2 duplicates 0 rejected 7\n")
    assert load.refused() == [
        (3, "invalid_json"),
        (5, "invalid_encoding"),
        (6, "line_too_long"),
        (7, "invalid_quantities"),
        (8, "invalid_quantities"),
        (9, "invalid_quantities"),
        (10, "organization_not_found"),
    ]
    assert usage_of(org, "quantity") == [(10,)]


def test_invalid_csv_rows_are_listed_by_their_line(load: Load) -> None:
    file = CSV + (
        "a,org-7,2026-11-21T05:00:00Z,gpt,,1.0,\n"
        "b,org-7,2026-11-21T05:00:00Z,g?pt,,7,\n"
        "\n"
        "c,org-7,yesterday,gpt,,7,\n"
        "d,org-7,2026-11-21T05:00:00Z,gpt,,,\n"
        'e,org-7,2026-11-21T05:00:00Z,gpt,"two\nlines",7,\n'
        "f,org-7,2026-11-21T05:00:00Z,gpt,,99999999999999999999,\n"
    )

    assert load(file) == (1, "accepted 1 duplicates 0 rejected 5\n")
    assert load.refused() == [
        (2, "invalid_quantities"),
        (3, "invalid_product"),
        (5, "invalid_timestamp"),
        (6, "invalid_quantities"),
        (9, "invalid_quantities"),
    ]


def test_a_list_of_rejects_is_never_overwritten(load: Load) -> None:
    for number in range(3):
        assert load(lines(event(organization=f"org-{number}9")))[0] == 1

    files = [load.rejects, load.rejects.with_stem("rejects-2")]
    files.append(load.rejects.with_stem("rejects-3"))
    originals = [load.rejected_rows(path)[0]["original"] for path in files]
    assert [json.loads(text)["organization"] for text in originals] == [
        "org-09",
        "org-19",
        "org-29",
    ]
    load(lines(event()))
    assert all(path.exists() for path in files)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"\xef\xbb\xbf", gzip.compress(b"")],
    ids=["nothing", "blank-lines", "byte-order-mark", "compressed"],
)
def test_an_empty_file_loads_nothing(load: Load, content: bytes) -> None:
    assert load(content) == (0, "accepted 0 duplicates 0 rejected 0\n")


def test_a_missing_file_is_reported_in_one_line(load: Load) -> None:
    with pytest.raises(CommandError, match=r"^/nowhere/x: No such file or directory$"):
        load.path("/nowhere/x")


@pytest.mark.parametrize("command", ["load_usage", "load_rates", "load_organizations"])
def test_an_unknown_white_label_is_reported_in_one_line(
    command: str, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match="'acm'"):
        call_command(command, str(tmp_path / "f"), white_label="acm")


def test_a_damaged_gzip_file_is_reported_in_one_line(load: Load) -> None:
    content = gzip.compress(lines(*(event(f"e-{n}") for n in range(50))).encode())

    with pytest.raises(CommandError):
        load(content[:-20])
    assert UsageEvent.objects.count() in {0, 50}


def test_an_array_on_one_line_is_not_taken_for_a_csv_header(load: Load) -> None:
    content = json.dumps([event("a"), event("b")])

    assert load(content) == (1, "accepted 0 duplicates 0 rejected 1\n")
    assert load.refused() == [(1, "invalid_event")]


def test_a_csv_header_that_lacks_a_column_is_one_clear_line(load: Load) -> None:
    with pytest.raises(CommandError, match="lacks a column: 'timestamp'"):
        load("id,organization,product,requests\na,org-7,gpt,7\n")


def test_a_broken_first_line_does_not_affect_the_next(load: Load) -> None:
    content = '"e-0", "organization": "org-7"}\n' + lines(event("a"))

    assert load(content) == (1, "accepted 1 duplicates 0 rejected 1\n")
