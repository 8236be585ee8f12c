"""Billing cycles: the interval after which Stripe bills a price again, and its count.

Pure functions. Two cycles that always end together are the same one: 12 months are a
year and 7 days a week.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from metrics.periods import add_months

INTERVALS = ("day", "week", "month", "year")
MONTHS_OF_A_YEAR, DAYS_OF_A_WEEK = 12, 7
_NAMES = {
    ("day", 1): "daily",
    ("week", 1): "weekly",
    ("month", 1): "monthly",
    ("year", 1): "yearly",
}
# A count above this one makes a cycle longer than any month, so that it contains the
# end of one.
MOST_WITHIN_A_MONTH = {"day": 31, "week": 4, "month": 1, "year": 0}


@dataclass(frozen=True, slots=True)
class Cycle:
    """A cycle in Stripe's terms: a `count` of `INTERVALS`."""

    interval: str
    count: int

    @property
    def normalized(self) -> "Cycle":
        """The same cycle in the longest interval that divides it."""
        if self.interval == "month" and self.count % MONTHS_OF_A_YEAR == 0:
            return Cycle("year", self.count // MONTHS_OF_A_YEAR)
        if self.interval == "day" and self.count % DAYS_OF_A_WEEK == 0:
            return Cycle("week", self.count // DAYS_OF_A_WEEK)
        return self

    @property
    def is_longer_than_a_month(self) -> bool:
        """True if every period of the cycle is longer than any month."""
        return self.count > MOST_WITHIN_A_MONTH[self.interval]

    def __str__(self) -> str:
        """Return `monthly`, `yearly`, or `every 3 months`."""
        cycle = self.normalized
        name = _NAMES.get((cycle.interval, cycle.count))
        return name or f"every {cycle.count} {cycle.interval}s"


def last_month_end(start: datetime, *, until: datetime) -> datetime | None:
    """Return the last end of a month that is not after `until`; None before the first.

    Months are counted from `start` as Stripe counts them, in UTC: from January 31 to
    February 28, then to March 31.
    """
    start = start.astimezone(UTC)
    until = until.astimezone(UTC)
    months = (until.year - start.year) * MONTHS_OF_A_YEAR + until.month - start.month
    for count in (months, months - 1):
        if count > 0 and (end := _add_months(start, count)) <= until:
            return end
    return None


def _add_months(start: datetime, count: int) -> datetime:
    return datetime.combine(add_months(start.date(), count), start.timetz())
