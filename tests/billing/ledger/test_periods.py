"""Tests of days, buckets and ranges: tables, and properties in every time zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.periods import DayRange, Grain, add_months, contract_year_start
from orgs.days import day_of, first_instant, parse_day
from orgs.errors import InvalidDateRange

ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "America/Santiago",
        "Pacific/Apia",
    )
]
zones = st.sampled_from(ZONES)
days = st.dates(date(2000, 1, 2), date(2190, 12, 30))
ONE = timedelta(days=1)
settings.register_profile("orgdesk", deadline=None, derandomize=True, database=None)
settings.load_profile("orgdesk")


@given(days, zones)
def test_a_day_begins_with_its_first_instant(day: date, zone: ZoneInfo) -> None:
    """Check the first instant of each day, except the day that Apia skipped."""
    start = first_instant(day, zone)

    if (zone.key, day) != ("Pacific/Apia", date(2011, 12, 30)):
        assert day_of(start, zone) == day
    assert day_of(start - timedelta(microseconds=1), zone) < day


@given(st.datetimes(datetime(2000, 1, 3), datetime(2190, 1, 1)), zones)
def test_days_tile_time(naive: datetime, zone: ZoneInfo) -> None:
    instant = naive.replace(tzinfo=UTC)
    day = day_of(instant, zone)

    assert first_instant(day, zone) <= instant < first_instant(day + ONE, zone)


@given(days, st.integers(0, 1200), st.sampled_from(Grain))
def test_buckets_cover_a_range_once(start: date, length: int, grain: Grain) -> None:
    days = DayRange(start, min(start + length * ONE, date(2199, 12, 31)))

    buckets = list(days.buckets(grain))
    holding = {grain.bucket(days.start + n * ONE) for n in range(days.days)}

    assert buckets == sorted(holding)
    assert all(grain.bucket(bucket) == bucket for bucket in buckets)


@given(days, st.integers(-24, 24))
def test_months_keep_the_day_or_end_with_the_month(day: date, months: int) -> None:
    moved = add_months(day, months)

    assert (moved.year * 12 + moved.month) - (day.year * 12 + day.month) == months
    assert moved.day == day.day or (moved + ONE).day == 1


@given(days, st.integers(0, 20_000))
def test_a_contract_year_contains_today(started: date, later: int) -> None:
    today = min(started + later * ONE, date(2199, 12, 31))

    start = contract_year_start(started, today)

    assert started <= start <= today
    assert (today - start).days <= 365
    assert start.month == started.month


@pytest.mark.parametrize(
    ("zone", "day", "instant"),
    [
        ("UTC", date(2026, 11, 21), "2026-11-21T00:00:00"),
        ("Asia/Kathmandu", date(2026, 11, 21), "2026-11-20T18:15:00"),
        ("Australia/Lord_Howe", date(2026, 7, 1), "2026-06-30T13:30:00"),
        ("Australia/Lord_Howe", date(2026, 11, 21), "2026-11-20T13:00:00"),
        ("America/Santiago", date(2026, 4, 5), "2026-04-05T04:00:00"),
        ("America/Santiago", date(2026, 9, 6), "2026-09-06T04:00:00"),  # at 01:00
        ("Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00:00"),
    ],
)
def test_first_instants(zone: str, day: date, instant: str) -> None:
    expected = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    assert first_instant(day, ZoneInfo(zone)) == expected


@pytest.mark.parametrize(
    ("started", "today", "expected"),
    [
        (date(2024, 2, 29), date(2025, 2, 27), date(2024, 2, 29)),
        (date(2024, 2, 29), date(2025, 2, 28), date(2025, 2, 28)),
        (date(2024, 2, 29), date(2028, 2, 28), date(2027, 2, 28)),
        (date(2024, 2, 29), date(2028, 2, 29), date(2028, 2, 29)),
        (date(2025, 11, 21), date(2026, 11, 20), date(2025, 11, 21)),
        (date(2025, 11, 21), date(2026, 11, 21), date(2026, 11, 21)),
        (date(2027, 3, 5), date(2026, 11, 21), date(2027, 3, 5)),  # not begun
    ],
)
def test_contract_years(started: date, today: date, expected: date) -> None:
    assert contract_year_start(started, today) == expected


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-11-21", date(2026, 11, 21)),
        ("2026-11-20T18:14:59Z", date(2026, 11, 20)),
        ("2026-11-20T18:15:00Z", date(2026, 11, 21)),
        ("2026-11-20T18:15:00.000Z", date(2026, 11, 21)),
        ("2026-11-20T18:15:00", date(2026, 11, 21)),
        ("2026-11-21T00:00:00+05:45", date(2026, 11, 21)),
        ("2026-11-21T00:00:00 05:45", date(2026, 11, 21)),
    ],
)
def test_a_day_is_read_in_kathmandu(text: str, day: date) -> None:
    assert parse_day(text, ZoneInfo("Asia/Kathmandu"), field="from") == day


def read_one_day(text: str) -> DayRange:
    day = parse_day(text, ZoneInfo("Asia/Kathmandu"), field="to")
    return DayRange(day, day + ONE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "2026-02-30",
        "1700000000",
        "20261121",
        "2026-W47-6",
        "10000-01-01",
        "\u0662\u0660\u0662\u0666-11-21",
        "2026-11-21T25:00Z",
        "2026-11-21T00:00:60Z",
        "2026-11-21\x00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
    ],
)
def test_an_invalid_day_is_refused_with_its_field(text: str) -> None:
    with pytest.raises(InvalidDateRange) as refused:
        read_one_day(text)

    assert refused.value.fields in {("to",), ("from", "to")}


@pytest.mark.parametrize(
    ("start", "end", "grain"),
    [
        (date(2026, 1, 2), date(2026, 1, 1), Grain.DAILY),
        (date(1999, 12, 31), date(2000, 1, 5), Grain.DAILY),
        (date(2199, 12, 31), date(2200, 1, 2), Grain.DAILY),
        (date(2023, 11, 21), date(2026, 11, 22), Grain.DAILY),
        (date(2016, 11, 21), date(2026, 11, 22), Grain.MONTHLY),
    ],
)
def test_ranges_have_limits(start: date, end: date, grain: Grain) -> None:
    with pytest.raises(InvalidDateRange):
        DayRange(start, end).within(grain)


def test_the_longest_ranges_are_allowed() -> None:
    daily = DayRange(date(2023, 11, 21), date(2026, 11, 21)).within(Grain.DAILY)
    monthly = DayRange(date(2016, 11, 21), date(2026, 11, 21)).within(Grain.MONTHLY)

    assert len(list(daily.buckets(Grain.DAILY))) == 1096
    assert len(list(monthly.buckets(Grain.MONTHLY))) == 121


@pytest.mark.parametrize("grain", Grain)
def test_an_empty_range_has_no_bucket(grain: Grain) -> None:
    middle = date(2026, 11, 21)
    assert list(DayRange(middle, middle).buckets(grain)) == []
