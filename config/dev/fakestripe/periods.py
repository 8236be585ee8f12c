"""Billing periods from an anchor: half-open, in seconds of UTC, without drift."""

import calendar
from datetime import UTC, datetime
from fractions import Fraction

_SECONDS = {"day": 86_400, "week": 7 * 86_400}
HOUR, DAY = 3600, 86_400


def boundary(anchor: int, interval: str, count: int, number: int) -> int:
    """Return the instant `number` periods after the anchor.

    Always counted from the anchor: the 31st is the 28th in February and the 31st again
    in March.
    """
    if interval in _SECONDS:
        return anchor + number * count * _SECONDS[interval]
    months = number * count * (12 if interval == "year" else 1)
    start = datetime.fromtimestamp(anchor, UTC)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return int(start.replace(year=year, month=month + 1, day=day).timestamp())


def period_at(anchor: int, interval: str, count: int, instant: int) -> tuple[int, int]:
    """Return the period that contains the instant; the anchor may be later."""
    number = _guess(anchor, interval, count, instant)
    while boundary(anchor, interval, count, number + 1) <= instant:
        number += 1
    while boundary(anchor, interval, count, number) > instant:
        number -= 1
    return (
        boundary(anchor, interval, count, number),
        boundary(anchor, interval, count, number + 1),
    )


def _guess(anchor: int, interval: str, count: int, instant: int) -> int:
    days = {"day": 1, "week": 7, "month": 31, "year": 366}[interval] * count
    return (instant - anchor) // (days * DAY)


def share(amount: Fraction | int, used: int, whole: int) -> int:
    """Return the share of an amount, in minor units, for `used` of `whole` seconds."""
    return rounded(Fraction(amount) * Fraction(used, whole)) if whole else 0


def rounded(exact: Fraction) -> int:
    """Half away from zero."""
    whole = int(abs(exact) + Fraction(1, 2))
    return whole if exact >= 0 else -whole


def day_of(instant: int) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%d %b %Y")
