"""Calendar days of a white label: when they begin, and how they are written. Pure."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from orgs.errors import InvalidDateRange

ONE_DAY = timedelta(days=1)


EARLIEST_DAY = date(2000, 1, 1)


LATEST_DAY = date(2200, 1, 1)


_BEGINS_WITH_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def first_instant(day: date, zone: ZoneInfo) -> datetime:
    """When the day begins, in UTC; where midnight does not exist, the jump over it."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def day_of(instant: datetime, zone: ZoneInfo) -> date:
    return instant.astimezone(zone).date()


def day_exists(day: date, zone: ZoneInfo) -> bool:
    """Whether the zone has that day; Apia went from 29 to 31 December 2011."""
    return day_of(first_instant(day, zone), zone) == day


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
