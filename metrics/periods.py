"""Days, buckets and ranges of a white label's calendar. Pure.

A day is a calendar day of the zone; ranges are half-open; the day, not the zone,
decides the bucket, so days add up to months in every zone, clocks changing or not.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from metrics.errors import InvalidDateRange

ONE_DAY = timedelta(days=1)
EARLIEST_DAY = date(2000, 1, 1)
LATEST_DAY = date(2200, 1, 1)
_BEGINS_WITH_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def first_instant(day: date, zone: ZoneInfo) -> datetime:
    """When the day begins, in UTC; where midnight does not exist, the jump over it."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def day_of(instant: datetime, zone: ZoneInfo) -> date:
    return instant.astimezone(zone).date()


def existed(day: date, zone: ZoneInfo) -> bool:
    """Whether the zone has that day; Apia went from 29 to 31 December 2011."""
    return day_of(first_instant(day, zone), zone) == day


def hours_elapsed(days: "DayRange", zone: ZoneInfo, *, now: datetime) -> Decimal:
    """How much of the range is past, in hours; clocks changing make days of 23."""
    end = min(first_instant(days.end, zone), now)
    seconds = int((end - first_instant(days.start, zone)).total_seconds())
    return Decimal(max(seconds, 0)) / 3600


class Grain(StrEnum):
    """How wide a bucket is; each has the longest range a caller may ask of it."""

    DAILY = "daily"
    MONTHLY = "monthly"

    @property
    def max_years(self) -> int:
        return 3 if self is Grain.DAILY else 10

    def bucket(self, day: date) -> date:
        """The first day of the bucket that holds `day`."""
        return day if self is Grain.DAILY else day.replace(day=1)

    def after(self, bucket: date) -> date:
        if self is Grain.DAILY:
            return bucket + ONE_DAY
        return add_months(bucket, 1)


def add_months(day: date, months: int) -> date:
    """The same day of another month, or that month's last day."""
    month = day.year * 12 + day.month - 1 + months
    first = date(month // 12, month % 12 + 1, 1)
    following = date((month + 1) // 12, (month + 1) % 12 + 1, 1)
    return min(first + timedelta(days=day.day - 1), following - ONE_DAY)


@dataclass(frozen=True, slots=True)
class DayRange:
    """Days from `start` up to but not including `end`."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start > self.end:
            raise InvalidDateRange(
                "`from` must not be after `to`.", fields=("from", "to")
            )
        if self.start < EARLIEST_DAY or self.end > LATEST_DAY:
            raise InvalidDateRange(
                "`from` and `to` must be between the years 2000 and 2200.",
                fields=("from", "to"),
            )

    @property
    def days(self) -> int:
        return (self.end - self.start).days

    def within(self, grain: Grain) -> "DayRange":
        """This range, or an error when it is too long for the grain."""
        if self.end > add_months(self.start, 12 * grain.max_years):
            raise InvalidDateRange(
                f"A {grain} range can span at most {grain.max_years} years.",
                fields=("from", "to"),
            )
        return self

    def buckets(self, grain: Grain) -> Iterator[date]:
        """The first day of every bucket, empty ones too; the ends may be partial."""
        bucket = grain.bucket(self.start)
        while self.days and bucket < self.end:
            yield bucket
            bucket = grain.after(bucket)

    def before(self) -> "DayRange":
        """The range of the same length that ends where this one starts."""
        return DayRange(self.start - timedelta(days=self.days), self.start)


def parse_day(text: str, zone: ZoneInfo, *, field: str) -> date:
    """A date is the zone's day; an instant is floored to its day, naive ones are UTC.

    A bare `+` of an offset arrives as a space from clients that do not encode it.
    """
    try:
        if not _BEGINS_WITH_DATE.match(text):  # Python reads week dates and more
            raise ValueError(text)
        if len(text) == len("2026-01-01"):
            return date.fromisoformat(text)
        instant = datetime.fromisoformat(text.replace(" ", "+"))
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        return day_of(instant, zone)
    except (ValueError, OverflowError):
        raise InvalidDateRange(
            f"`{field}` must be a date or an RFC 3339 date-time.", fields=(field,)
        ) from None


def contract_year_start(started_on: date, today: date) -> date:
    """The last anniversary of the contract not after `today`, or its start."""
    years = max(today.year - started_on.year, 0)
    anniversary = add_months(started_on, 12 * years)
    if anniversary > today and years:
        return add_months(started_on, 12 * (years - 1))
    return anniversary
