"""URL parameters of the lines of a cost, and of the usage events of a day."""

from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.http import QueryDict
from django.utils import timezone

from metrics.periods import DayRange
from metrics.queries.cost_lines import LineFilters
from metrics.queries.day_events import DayEvents
from orgs.days import ONE_DAY, day_of, parse_instant
from orgs.errors import InvalidDateRange
from orgs.models import Organization

NO_PROJECT = "none"
_UTC = ZoneInfo("UTC")
_MAX_NUMBER = 2**31 - 1
_MAX_ID = 2**63 - 1


def today_of(organization: Organization, now: datetime | None = None) -> date:
    """Return the day that it is for an organization."""
    return day_of(now or timezone.now(), organization.white_label.zone)


def last_days(organization: Organization, now: datetime | None = None) -> DayRange:
    """Return the last 30 days, with today."""
    end = today_of(organization, now) + ONE_DAY
    return DayRange(end - 30 * ONE_DAY, end)


def read_line_filters(
    query: QueryDict, organization: Organization, now: datetime | None = None
) -> LineFilters:
    """Return which lines of a cost are chosen, by default those of 30 days.

    Raises `InvalidDateRange` for a bad parameter.
    """
    days = last_days(organization, now)
    if query.get("from") or query.get("through"):
        first, last = _day(query, "from"), _day(query, "through")
        days = DayRange(first, last + ONE_DAY)
    return LineFilters(
        days,
        period=read_number(query, "period", _MAX_NUMBER),
        product=query.get("product") or None,
        meter=query.get("meter") or None,
        project_id=_project(query),
    )


def read_day_events(
    query: QueryDict, organization: Organization, now: datetime | None = None
) -> DayEvents:
    """Return which events are chosen, by default those of today.

    Raises `InvalidDateRange` for a bad parameter.
    """
    day = _day(query, "day") if query.get("day") else today_of(organization, now)
    chosen = DayEvents(
        day, query.get("product") or None, _project(query), query.get("q", "").strip()
    )
    if not query.get("after"):
        return chosen
    return replace(chosen, after=(_instant(query), query.get("after_id", "")))


def _day(query: QueryDict, name: str) -> date:
    try:
        day = date.fromisoformat(query.get(name, ""))
        _ = DayRange(day, day + ONE_DAY)  # within the years that have days
        return day
    except (ValueError, OverflowError, InvalidDateRange):
        raise InvalidDateRange(
            f"“{name}” must be a date such as 2026-11-21.", fields=(name,)
        ) from None


def _instant(query: QueryDict) -> datetime:
    try:
        return parse_instant(query.get("after", ""), _UTC)
    except ValueError:
        raise InvalidDateRange("“after” must be a time.", fields=("after",)) from None


def _project(query: QueryDict) -> int | None:
    """Return the project that is chosen: 0 is usage without one, None is all usage."""
    if query.get("project") == NO_PROJECT:
        return 0
    return read_number(query, "project", _MAX_ID)


def read_number(query: QueryDict, name: str, highest: int) -> int | None:
    """Return a number from 1 to the highest; None if it is not given."""
    text = query.get(name, "")
    if not text:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) < len(str(_MAX_ID))
    if not is_number or not 0 < int(text) <= highest:
        raise InvalidDateRange(f"“{name}” must be a number.", fields=(name,))
    return int(text)
