"""Instants are floored to microseconds, and local where their text has no offset."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from django.test import Client

from metrics.events import parse_all, parse_event
from metrics.models import Rate, UsageEvent
from orgs.days import parse_day, parse_instant
from orgs.models import Member, Organization, WhiteLabel
from tests.factories import event, make_key, make_rate, make_white_label, usage_of
from tests.support.loading import Load, lines

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
LAST = "2026-10-31T23:59:59.9999999Z"  # rounded to microseconds it is in November
FLOORED = datetime(2026, 10, 31, 23, 59, 59, 999_999, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LAST, FLOORED),
        ("2026-10-31T23:59:59.999999999999999Z", FLOORED),
        ("2026-11-01T00:59:59.9999995+01:00", FLOORED),
        ("2026-10-31T23:59:59.9999991Z", FLOORED),
        ("2026-10-31T23:59:59.000000900Z", FLOORED.replace(microsecond=0)),
        ("2026-10-31T23:59:59.1234567Z", FLOORED.replace(microsecond=123_456)),
        ("2026-10-31T23:59:59.5Z", FLOORED.replace(microsecond=500_000)),
    ],
)
def test_the_timestamp_of_an_event_is_floored(text: str, expected: datetime) -> None:
    raw = orjson.dumps(event(text, timestamp=text))

    alone = parse_event(raw)
    together = parse_all(b"[" + orjson.dumps(event("a")) + b"," + raw + b"]")

    assert together is not None
    assert alone == together[1]
    assert (alone.timestamp, alone.id) == (expected, text)
    assert together[0].timestamp == datetime(2026, 11, 21, 11, tzinfo=UTC)


@pytest.mark.parametrize("kind", ["json", "x-ndjson"])
def test_the_last_nanoseconds_of_a_month_have_its_day_and_price(
    acme: WhiteLabel, org: Organization, kind: str
) -> None:
    make_rate(acme, "1")
    make_rate(acme, "2", effective_from=NOVEMBER)
    key = make_key(acme, "usage:write")
    one = orjson.dumps(event(timestamp=LAST))
    body = b"[" + one + b"]" if kind == "json" else one

    Client(headers={"x-api-key": key}).post(
        "/api/v1/usage/events", body, content_type=f"application/{kind}"
    )

    assert usage_of(org, "day", "cost") == [(FLOORED.date(), 5)]
    assert UsageEvent.objects.get().at == FLOORED


def test_files_are_floored_as_well(
    acme: WhiteLabel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load = Load(tmp_path, capsys)
    load(lines(event("a", timestamp=LAST)))
    load(f"id,organization,timestamp,product,requests\nb,org-7,{LAST},gpt,1\n")
    member = {"external_id": "m", "added_at": LAST}
    line = {"external_id": "n", "name": "N", "created_at": LAST, "members": [member]}
    load(lines(line), "load_organizations")
    load(
        "product,meter,unit_price,effective_from\n" + f"gpt,requests,1,{LAST}\n",
        "load_rates",
    )

    assert {e.at for e in UsageEvent.objects.all()} == {FLOORED}
    assert Organization.objects.get(external_id="n").created_at == FLOORED
    assert Member.objects.get().added_at == FLOORED
    assert Rate.objects.get().effective_from == FLOORED


def test_parameters_are_floored_to_their_day() -> None:
    assert parse_day(LAST, ZoneInfo("UTC"), field="from") == FLOORED.date()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", "2026-11-01T07:00:00+00:00"),
        ("2026-11-01 00:00:00", "2026-11-01T07:00:00+00:00"),
        ("2026-11-01T00:00", "2026-11-01T07:00:00+00:00"),
        ("2026-11-01T00:00:00Z", "2026-11-01T00:00:00+00:00"),
        ("2026-11-01t00:00:00z", "2026-11-01T00:00:00+00:00"),
        ("2026-11-01 00:00:00 +02:00", "2026-10-31T22:00:00+00:00"),
        ("2026-11-01T00:00:00 02:00", "2026-10-31T22:00:00+00:00"),
    ],
)
def test_an_instant_without_an_offset_is_local_as_a_date_is(
    text: str, expected: str
) -> None:
    instant = parse_instant(text, ZoneInfo("America/Los_Angeles"))

    assert instant.isoformat() == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "^$"),
        ("x", "^x$"),
        ("2026", "^2026$"),
        ("2026-W01-1", "^2026-W01-1$"),
        ("2026-02-30", "^day "),
        ("20260101", "^20260101$"),
    ],
)
def test_what_is_no_instant_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_instant(text, ZoneInfo("UTC"))


@pytest.mark.parametrize("start", ["2026-11-01", "2026-11-01 00:00:00"])
def test_a_price_starts_at_local_midnight(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], start: str
) -> None:
    make_white_label("acme", time_zone="America/Los_Angeles")
    content = f"product,meter,unit_price,effective_from\ngpt,requests,2,{start}\n"

    Load(tmp_path, capsys)(content, "load_rates")

    start_at = datetime(2026, 11, 1, 7, tzinfo=UTC)
    assert Rate.objects.get().effective_from == start_at


def test_the_api_refuses_a_start_without_an_offset(acme: WhiteLabel) -> None:
    api = Client(headers={"x-api-key": make_key(acme, "billing:write")})
    rate: dict[str, Any] = {"product": "gpt", "meter": "requests", "unit_price": 1}
    rate["effective_from"] = "2026-11-01T00:00:00"

    response = api.put(
        "/api/v1/rates", {"rates": [rate]}, content_type="application/json"
    )

    [error] = response.json()["errors"]
    assert (response.status_code, error["code"]) == (400, "timezone_required")
    assert error["fields"] == ["effective_from"]
    assert not Rate.objects.exists()
