"""Days, buckets and ranges of a white label's calendar. Pure.

A day is a calendar day of the zone; ranges are half-open; the day, not the zone,
decides the bucket, so days add up to months in every zone, clocks changing or not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from orgs.days import EARLIEST_DAY, LATEST_DAY, ONE_DAY, first_instant
from orgs.errors import InvalidDateRange


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


def contract_year_start(started_on: date, today: date) -> date:
    """The last anniversary of the contract not after `today`, or its start."""
    years = max(today.year - started_on.year, 0)
    anniversary = add_months(started_on, 12 * years)
    if anniversary > today and years:
        return add_months(started_on, 12 * (years - 1))
    return anniversary
