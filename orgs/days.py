"""Calendar days in a white label's time zone: conversion and parsing. Pure."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from orgs.errors import InvalidDateRange

ONE_DAY = timedelta(days=1)
EARLIEST_DAY = date(2000, 1, 1)
LATEST_DAY = date(2200, 1, 1)
_LONG_FRACTION = re.compile(r"(\.[0-9]{6})[0-9]+")
_BEGINS_WITH_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_days(text: str, *, least: int = 1, most: int = 365) -> timedelta:
    """Return the time that a setting states as a number of days.

    Raises `ValueError` with a message that continues the setting's name.
    """
    text = text.strip()
    if not re.fullmatch("[0-9]{1,5}", text) or not least <= int(text) <= most:
        raise ValueError(
            f"must be a whole number of days, {least} to {most}, not {text!r}"
        )
    return timedelta(days=int(text))


def first_instant(day: date, zone: ZoneInfo) -> datetime:
    """Return the start of a day in UTC, also where its midnight does not exist."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def day_of(instant: datetime, zone: ZoneInfo) -> date:
    """Return the day of an instant in a time zone."""
    return instant.astimezone(zone).date()


def days_until(instant: datetime, now: datetime, zone: ZoneInfo) -> int:
    """Return the calendar days from now to an instant: 0 today, 1 tomorrow.

    Below 0 for a day that is over. This is the only count of days left, so that no two
    texts about one trial differ by a day.
    """
    return (day_of(instant, zone) - day_of(now, zone)).days


def day_exists(day: date, zone: ZoneInfo) -> bool:
    """Return whether a time zone has the day.

    Apia skipped a day: December 29, 2011 was followed by December 31.
    """
    return day_of(first_instant(day, zone), zone) == day


def parse_instant(text: str, zone: ZoneInfo) -> datetime:
    """Return an instant in UTC; without an offset it is local, as a date is.

    A date is the start of its day in the zone. Fractions of a second are floored to
    microseconds: the last instant of a month is never the next month. Raises
    `ValueError`.
    """
    if not _BEGINS_WITH_DATE.match(text):
        raise ValueError(text)
    if len(text) == len("2026-01-01"):
        return first_instant(date.fromisoformat(text), zone)
    instant = datetime.fromisoformat(_spell_offset(text))
    try:
        return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(
            UTC
        )
    except OverflowError as error:
        raise ValueError(text) from error


def _spell_offset(text: str) -> str:
    """Return a date-time with the sign of its offset, which may be a space before it.

    Clients that do not encode the `+` of an offset send a space.
    """
    day, time_of_day = text[:10], text[11:].strip().upper()
    return f"{day}T" + re.sub(r" +(?=[+-])", "", time_of_day).replace(" ", "+")


def floor_fraction(text: str) -> str:
    """Return an RFC 3339 date-time with at most six digits of a second's fraction.

    Decoders round to microseconds, so that `23:59:59.9999999` becomes the next day.
    """
    return _LONG_FRACTION.sub(r"\1", text)


def parse_day(text: str, zone: ZoneInfo, *, field: str) -> date:
    """Return the day of a date, or of an instant in the zone; UTC without an offset.

    Clients that do not encode the `+` of an offset send a space, which is accepted.
    Raises `InvalidDateRange` with the name of the field.
    """
    try:
        if not _BEGINS_WITH_DATE.match(text):  # Python also accepts week dates
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
