"""Days, date ranges, and chart buckets in a white label's calendar.

Days are calendar days of the white label's time zone, and ranges are half-open. Buckets
are computed from days and not from instants, so days add up to months in every time
zone, whether or not clocks change. No database access.
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
    """Return the hours of the range that have passed, at most until `now`.

    A day on which clocks change has 23 or 25 hours.
    """
    end = min(first_instant(days.end, zone), now)
    seconds = int((end - first_instant(days.start, zone)).total_seconds())
    return Decimal(max(seconds, 0)) / 3600


class Grain(StrEnum):
    """The width of a chart's buckets."""

    DAILY = "daily"
    MONTHLY = "monthly"

    @property
    def max_years(self) -> int:
        """The longest range that can be requested, in years."""
        return 3 if self is Grain.DAILY else 10

    def bucket(self, day: date) -> date:
        """Return the first day of the bucket that contains `day`."""
        return day if self is Grain.DAILY else day.replace(day=1)

    def after(self, bucket: date) -> date:
        """Return the first day of the next bucket."""
        if self is Grain.DAILY:
            return bucket + ONE_DAY
        return add_months(bucket, 1)


def add_months(day: date, months: int) -> date:
    """Return the same day some months later, or the last day of that month."""
    month = day.year * 12 + day.month - 1 + months
    first = date(month // 12, month % 12 + 1, 1)
    following = date((month + 1) // 12, (month + 1) % 12 + 1, 1)
    return min(first + timedelta(days=day.day - 1), following - ONE_DAY)


@dataclass(frozen=True, slots=True)
class DayRange:
    """A range of days from `start` up to but not including `end`.

    Raises `InvalidDateRange` if it is reversed or outside the years 2000 to 2200.
    """

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
        """The number of days."""
        return (self.end - self.start).days

    def within(self, grain: Grain) -> "DayRange":
        """Return this range; raise `InvalidDateRange` if it is too long for `grain`."""
        if self.end > add_months(self.start, 12 * grain.max_years):
            raise InvalidDateRange(
                f"A {grain} range can span at most {grain.max_years} years.",
                fields=("from", "to"),
            )
        return self

    def buckets(self, grain: Grain) -> Iterator[date]:
        """Yield the first day of every bucket; the first and last may be partial."""
        bucket = grain.bucket(self.start)
        while self.days and bucket < self.end:
            yield bucket
            bucket = grain.after(bucket)

    def before(self) -> "DayRange":
        """Return the range of the same length that ends where this one starts."""
        return DayRange(self.start - timedelta(days=self.days), self.start)


def contract_year_start(started_on: date, today: date) -> date:
    """Return the start of the contract year that contains `today`.

    Before the first anniversary, and before the contract, that is `started_on`.
    """
    years = max(today.year - started_on.year, 0)
    anniversary = add_months(started_on, 12 * years)
    if anniversary > today and years:
        return add_months(started_on, 12 * (years - 1))
    return anniversary
