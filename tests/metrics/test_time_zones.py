"""Days in every time zone: each event counts in one day, and days add up.

The day of an event is computed when it is recorded, and stored as a date. These tests
compute it again with zoneinfo, around every clock change in the recording window.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import orjson
import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from metrics.commands.partitions import make_partitions
from metrics.commands.record import record_usage
from metrics.events import MAX_AGE, parse_event
from metrics.periods import DayRange, Grain
from metrics.queries.series import GroupBy, SeriesFilters, series
from orgs.days import day_of, first_instant
from orgs.models import Organization, WhiteLabel
from tests.factories import (
    NOW,
    event,
    make_key,
    make_organization,
    make_rate,
    make_white_label,
)

ONE_DAY = timedelta(days=1)
WINDOW = timedelta(days=399)
TICK = timedelta(microseconds=1)
PRICE = Decimal("0.07")
LEFT_OUT = date(2011, 12, 30)  # by Apia, which moved across the date line
AFTER_IT = datetime(2012, 2, 1, 12, tzinfo=UTC)

# When the clocks of a zone change in the 399 days before an instant, in UTC.
CHANGES: dict[tuple[str, datetime], list[str]] = {
    ("UTC", NOW): [],
    ("Asia/Kathmandu", NOW): [],  # a quarter of an hour off the full hour
    ("Australia/Lord_Howe", NOW): ["2026-04-04T15:00", "2026-10-03T15:30"],  # by 30 min
    ("America/Santiago", NOW): ["2026-04-05T03:00", "2026-09-06T04:00"],  # at midnight
    ("Africa/Cairo", NOW): ["2025-10-30T21:00", "2026-04-23T22:00", "2026-10-29T21:00"],
    # Newer rules than the host's may have: the embedded PostgreSQL's count.
    ("America/Vancouver", NOW): ["2025-11-02T09:00", "2026-03-08T10:00"],
    ("Pacific/Apia", AFTER_IT): [
        "2011-04-02T14:00",
        "2011-09-24T14:00",
        "2011-12-30T10:00",
    ],
    # Clocks went back from 00:01, so that a day was entered twice.
    ("America/St_Johns", datetime(2011, 3, 20, 12, tzinfo=UTC)): [
        "2010-03-14T03:31",
        "2010-11-07T02:31",
        "2011-03-13T03:31",
    ],
}


@dataclass(frozen=True)
class Place:
    """A white label in a time zone, with its organization and an API client."""

    zone: ZoneInfo
    now: datetime
    changes: tuple[datetime, ...]
    label: WhiteLabel
    org: Organization
    client: Client

    @property
    def window(self) -> DayRange:
        """All days that an event of a test may fall into, and some around."""
        days = [self.day(self.now - WINDOW), self.day(self.now)]
        return DayRange(days[0] - 3 * ONE_DAY, days[1] + 3 * ONE_DAY)

    def day(self, instant: datetime) -> date:
        return instant.astimezone(self.zone).date()

    def ask(self, url: str, days: DayRange, grain: Grain) -> Any:
        query = f"from={days.start}&to={days.end}&bucketing_strategy={grain}"
        response = self.client.get(f"{url}?{query}")
        assert response.status_code == 200, response.content
        return response


def instants_of(text: Iterable[str]) -> tuple[datetime, ...]:
    return tuple(datetime.fromisoformat(one).replace(tzinfo=UTC) for one in text)


@pytest.fixture(params=CHANGES, ids=lambda param: param[0])
def place(request: pytest.FixtureRequest, db: None) -> Iterator[Place]:
    name, now = request.param
    with time_machine.travel(now, tick=False):
        make_partitions()
        label = make_white_label(time_zone=name)
        make_rate(label, str(PRICE))
        org, _ = (
            make_organization(label, id_, created_at="2010-01-01T00:00:00Z")
            for id_ in ("org-7", "org-9")
        )
        Organization.objects.filter(pk=org.pk).update(rate_limit=10**6)
        key = make_key(label, "billing:read", "organizations:read")
        changes = instants_of(CHANGES[request.param])
        client = Client(headers={"x-api-key": key})
        yield Place(ZoneInfo(name), now, changes, label, org, client)


def record(place: Place, instants: Sequence[datetime]) -> list[int]:
    """Record an event and a decoy at each instant; return the quantities."""
    quantities = [3 + number % 5 for number in range(len(instants))]
    sent = [
        event(
            f"e-{number}",
            organization=organization,
            timestamp=instant.isoformat(),
            quantities={"requests": quantity + extra},
        )
        for number, (instant, quantity) in enumerate(
            zip(instants, quantities, strict=True)
        )
        for organization, extra in (("org-7", 0), ("org-9", 1000))
    ]
    numbered = [(n, parse_event(orjson.dumps(one))) for n, one in enumerate(sent)]
    recorded = record_usage(place.label, numbered, now=place.now)
    assert (recorded.accepted, recorded.rejected) == (len(sent), [])
    return quantities


def used(place: Place, days: DayRange, grain: Grain = Grain.DAILY) -> dict[date, int]:
    """Return the quantities by bucket, from the query that all readers use."""
    usage = series(place.org.id, SeriesFilters(days, grain, GroupBy.METER))
    lines = {line.id: line for line in usage.lines}
    assert set(lines) <= {"requests"}
    if not lines:
        return {}
    buckets = lines["requests"].by_bucket
    assert set(buckets) <= set(usage.buckets)
    assert all(amounts.cost == amounts.quantity * PRICE for amounts in buckets.values())
    return {bucket: amounts.quantity for bucket, amounts in buckets.items()}


def months(by_day: dict[date, int]) -> dict[date, int]:
    by_month: Counter[date] = Counter()
    for day, quantity in by_day.items():
        by_month[day.replace(day=1)] += quantity
    return dict(by_month)


def within(by_day: dict[date, int], days: DayRange) -> dict[date, int]:
    return {day: n for day, n in by_day.items() if days.start <= day < days.end}


@st.composite
def instants_around(draw: st.DrawFn, place: Place) -> list[datetime]:
    """Draw instants close to clock changes, close to ends of days, and anywhere."""
    oldest = place.now - WINDOW
    anchors = [*place.changes, oldest + timedelta(days=100)]
    near = st.builds(
        lambda anchor, days, minutes, ticks: (
            anchor + timedelta(days=days, minutes=minutes) + ticks * TICK
        ),
        st.sampled_from(anchors),
        st.integers(-1, 1),
        st.one_of(st.integers(-150, 150), st.integers(-96, 96).map(lambda n: 15 * n)),
        st.integers(-1, 1),
    )
    anywhere = st.datetimes(oldest.replace(tzinfo=None), place.now.replace(tzinfo=None))
    instants = draw(
        st.lists(
            st.one_of(near, near, anywhere.map(lambda at: at.replace(tzinfo=UTC))),
            min_size=1,
            max_size=20,
        )
    )
    return [min(max(at, oldest), place.now) for at in instants]


bounded = hypothesis(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    # Nothing is made smaller: an example is short, and each one costs 0.1 s.
    phases=[Phase.generate],
    # The organization stays; what an example records is rolled back after it.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.slow
@bounded
@given(data=st.data())
def test_every_event_counts_in_one_day_and_days_add_up(
    place: Place, data: st.DataObject
) -> None:
    instants = data.draw(instants_around(place))
    with transaction.atomic():
        quantities = record(place, instants)
        expected: Counter[date] = Counter()
        for instant, quantity in zip(instants, quantities, strict=True):
            expected[place.day(instant)] += quantity
        check_queries(place, dict(expected), data)
        check_responses(place, dict(expected))
        transaction.set_rollback(True)


def check_queries(place: Place, expected: dict[date, int], data: st.DataObject) -> None:
    """Check the whole range, its months, and any split into adjacent ranges."""
    window = place.window
    assert used(place, window) == expected
    assert used(place, window, Grain.MONTHLY) == months(expected)

    around = sorted(expected)
    near = st.sampled_from(around).flatmap(
        lambda day: st.sampled_from([day, day + ONE_DAY])
    )
    cuts = data.draw(st.lists(near, min_size=1, max_size=4, unique=True))
    parts = [
        DayRange(*ends) for ends in pairwise([window.start, *sorted(cuts), window.end])
    ]
    for part in parts:
        inside = within(expected, part)
        assert used(place, part) == inside
        assert used(place, part, Grain.MONTHLY) == months(inside)


def check_responses(place: Place, expected: dict[date, int]) -> None:
    """Check that the costs API, the CSV, and the chart's JSON agree by bucket."""
    for grain, buckets in ((Grain.DAILY, expected), (Grain.MONTHLY, months(expected))):
        costs = {bucket: quantity * PRICE for bucket, quantity in buckets.items()}
        assert chart_costs(place, place.window, grain) == costs

        base = f"/api/v1/organizations/{place.org.id}"
        rows = csv.DictReader(
            io.StringIO(place.ask(f"{base}/costs.csv", place.window, grain).text)
        )
        listed = [(date.fromisoformat(r["bucket"]), Decimal(r["cost"])) for r in rows]
        assert len(listed) == len(costs)
        assert dict(listed) == costs

        points = place.ask(f"{base}/usage", place.window, grain).json()["data"]
        charted = {p["bucket"]: [v["quantity"] for v in p["values"]] for p in points}
        assert {day: q for day, q in charted.items() if q} == {
            bucket.isoformat(): [quantity] for bucket, quantity in buckets.items()
        }


def chart_costs(place: Place, days: DayRange, grain: Grain) -> dict[date, Decimal]:
    """Return costs by bucket; each timestamp must be its bucket's first instant."""
    url = f"/api/v1/billing/costs/{place.org.id}/charts"
    body = place.ask(url, days, grain).content
    points = json.loads(body, parse_float=Decimal)["data"]
    starts = [datetime.fromtimestamp(p["timestamp"] / 1000, UTC) for p in points]
    assert all(one < following for one, following in pairwise(starts))
    buckets = [place.day(start) for start in starts]
    for start, bucket in zip(starts, buckets, strict=True):
        assert place.day(start - TICK) < bucket
        assert grain is Grain.DAILY or bucket.day == 1
    assert buckets == [
        bucket
        for bucket in days.buckets(grain)
        if (place.zone.key, bucket) != ("Pacific/Apia", LEFT_OUT)
    ]
    return {
        bucket: sum((v["value"] for v in point["values"]), Decimal(0))
        for bucket, point in zip(buckets, points, strict=True)
        if point["values"]
    }


# --- assumptions of the tests above -----------------------------------------------


@pytest.mark.django_db
def test_python_and_postgresql_change_clocks_at_the_same_instants() -> None:
    for (name, now), changes in CHANGES.items():
        zone = ZoneInfo(name)
        hours = [now - WINDOW + timedelta(minutes=n) for n in range(0, 399 * 1440, 30)]
        offsets = [hour.astimezone(zone).utcoffset() for hour in hours]
        measured = [
            later
            for later, (before, after) in zip(hours[1:], pairwise(offsets), strict=True)
            if before != after
        ]
        expected = instants_of(changes)

        assert len(measured) == len(expected), (name, measured)
        assert all(
            one - timedelta(minutes=30) < change <= one
            for one, change in zip(measured, expected, strict=True)
        ), (name, measured)
        for instant in (one + n * TICK for one in expected for n in (-1, 0)):
            with connection.cursor() as cursor:
                cursor.execute(
                    "select (%s::timestamptz at time zone %s)::text", [instant, name]
                )
                [local] = cursor.fetchone()
            expected_local = instant.astimezone(zone).replace(tzinfo=None)
            assert datetime.fromisoformat(local) == expected_local, (name, instant)


@pytest.mark.parametrize(
    ("name", "now", "day", "starts"),
    [
        # Midnight does not exist: the day begins at 01:00.
        ("America/Santiago", NOW, "2026-09-06", ["09-06T04:00", "09-07T03:00"]),
        ("Africa/Cairo", NOW, "2026-04-24", ["04-23T22:00", "04-24T21:00"]),
        # The hour before midnight comes twice: a day of 25 hours.
        ("America/Santiago", NOW, "2026-04-04", ["04-04T03:00", "04-05T04:00"]),
        # Half an hour more, a quarter off.
        ("Australia/Lord_Howe", NOW, "2026-04-05", ["04-04T13:00", "04-05T13:30"]),
        ("Asia/Kathmandu", NOW, "2026-04-05", ["04-04T18:15", "04-05T18:15"]),
        # No 30 December: the 29th ends where the 31st begins.
        ("Pacific/Apia", AFTER_IT, "2011-12-29", ["12-29T10:00", "12-30T10:00"]),
    ],
)
def test_first_instants_of_days(
    db: None, name: str, now: datetime, day: str, starts: list[str]
) -> None:
    label = make_white_label(time_zone=name)
    org = make_organization(label)
    client = Client(headers={"x-api-key": make_key(label, "billing:read")})
    first = date.fromisoformat(day)
    query = f"from={first}&to={first + 3 * ONE_DAY}"

    with time_machine.travel(now, tick=False):
        answer = client.get(f"/api/v1/billing/costs/{org.id}/charts?{query}")

    instants = [datetime.fromtimestamp(p["timestamp"] / 1000, UTC)
             for p in answer.json()["data"]]  # fmt: skip
    assert instants[:2] == list(instants_of(f"{first.year}-{one}" for one in starts))
    assert len(instants) == (2 if name == "Pacific/Apia" else 3)


# --- two sets of rules ------------------------------------------------------------


@pytest.mark.django_db
def test_python_uses_the_rules_of_the_embedded_postgresql() -> None:
    """Compare both sets of rules: the host's may be older or newer."""
    for name in {name for name, _ in CHANGES}:
        make_white_label(name.rpartition("/")[2].lower().replace("_", "-"),
                         time_zone=name)  # fmt: skip

    call_command("check", databases=["default"], fail_level="WARNING")


@pytest.mark.django_db
def test_the_system_check_names_zones_that_differ(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_white_label("decoy", time_zone="Asia/Kathmandu")
    make_white_label("acme", time_zone="Africa/Cairo")

    def misread(name: str) -> ZoneInfo:
        return ZoneInfo("Asia/Amman" if name == "Africa/Cairo" else name)

    monkeypatch.setattr("metrics.queries.time_zones.ZoneInfo", misread)

    call_command("check", databases=["default"])

    output = capsys.readouterr().err
    assert "(metrics.W001)" in output
    assert "Africa/Cairo" in output
    assert "Kathmandu" not in output


def test_no_zone_returns_to_a_past_day() -> None:
    """Check what recording relies on: days are intervals, also where clocks change."""
    for name in available_timezones():
        zone = ZoneInfo(name)
        for before, after in _jumps(zone):
            assert day_of(before, zone) <= day_of(after, zone), name
            day = day_of(after, zone)
            assert first_instant(day, zone) <= after, name


def _jumps(zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """Yield the last and first second around each clock change in the window."""
    # No zone changes its clocks twice within three days.
    days = [NOW - MAX_AGE + timedelta(days=3 * n) for n in range(270)]
    for start, end in pairwise(days):
        before, after = start, end
        if start.astimezone(zone).utcoffset() == end.astimezone(zone).utcoffset():
            continue
        while after - before > timedelta(seconds=1):
            middle = before + (after - before) // 2
            middle = middle.replace(microsecond=0)
            same = middle.astimezone(zone).utcoffset()
            if same == start.astimezone(zone).utcoffset():
                before = middle
            else:
                after = middle
        yield before, after
