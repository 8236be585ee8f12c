"""The range of a forecast: prepared once a day, or computed from a year of costs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.utils import timezone

from billing.forecast.backtests import Band, interval
from billing.forecast.queries.forecasts import (
    Forecast,
    first_incomplete_day,
    history_days,
)
from billing.models import ForecastBand
from billing.models.mirrors import LIVE, SubscriptionKind
from metrics.periods import DayRange
from metrics.queries.series import ZERO, costs_by_day
from orgs.models import Organization
from orgs.queries.prepared import array, fetch_all
from orgs.sql import sql_list

# Days that past forecasts are repeated in: ten months, and the eight weeks before them.
_SCORED_DAYS = 400


class BandKey(NamedTuple):
    """The days that a range is for: the first that is not complete, and how many."""

    first_day: date
    ahead: int


def band_key(forecast: Forecast) -> BandKey | None:
    """Return the days that are forecast; None if the period's end is not known."""
    first, last = forecast.usage.first, forecast.last_day
    if last is None:
        return None
    return BandKey(first, max((last - first).days + 1, 1))


def scored_days(now: datetime, zone: ZoneInfo) -> DayRange:
    """Return the days whose costs a range and a score are computed from."""
    days = history_days(now, zone)
    return DayRange(days.end - timedelta(days=_SCORED_DAYS), days.end)


def cost_history(
    costs: Mapping[date, object], first: date
) -> tuple[date, list[float]] | None:
    """Return the first day with a cost, and the costs since then up to `first`.

    None if there is none.
    """
    start = min(costs, default=first)
    if start >= first:
        return None
    days = (start + timedelta(days=at) for at in range((first - start).days))
    return start, [float(str(costs.get(day, ZERO))) for day in days]


def compute_band(costs: Mapping[date, object], key: BandKey) -> Band | None:
    """Return the range from daily costs; None if the history is too short."""
    history = cost_history(costs, key.first_day)
    return interval(history[1], key.ahead) if history else None


def list_bands(forecasts: Mapping[int, Forecast]) -> dict[int, Band | None]:
    """Return the prepared ranges by organization id, as far as there are any.

    One statement. A range of other days than the forecast's does not count.
    """
    keys = {id_: band_key(forecast) for id_, forecast in forecasts.items()}
    rows = ForecastBand.objects.filter(pk__in=[id_ for id_, key in keys.items() if key])
    return {
        row.pk: None if row.low is None or row.high is None else Band(row.low, row.high)
        for row in rows
        if keys[row.pk] == (row.first_day, row.ahead)
    }


def compute_bands(
    organizations: Iterable[Organization], forecasts: Mapping[int, Forecast]
) -> dict[int, tuple[BandKey, Band | None]]:
    """Return the ranges of organizations, with the days that they are for.

    One statement, which reads 400 days of each, and 2 ms of computing for each.
    """
    now = timezone.now()
    keys: dict[int, BandKey] = {}
    days: dict[int, DayRange] = {}
    for row in organizations:
        key = band_key(forecasts[row.pk]) if row.pk in forecasts else None
        if key is not None:
            keys[row.pk] = key
            days[row.pk] = scored_days(now, row.white_label.zone)
    costs = costs_by_day(days)
    return {id_: (key, compute_band(costs[id_], key)) for id_, key in keys.items()}


# Only organizations with an end of their period: the others have no range, and would
# be computed again with each usage.
_FIRST_DAYS = f"""
select o.id, w.time_zone, b.first_day
from orgs_organization o join orgs_whitelabel w on w.id = o.white_label_id
left join billing_forecastband b on b.organization_id = o.id
where o.id = any(%(ids)s::bigint[]) and exists (
    select from billing_subscription s
    where s.organization_id = o.id and s.kind = '{SubscriptionKind.PLATFORM}'
        and s.status in {sql_list(LIVE)} and s.period_ends_at > %(now)s)
"""  # noqa: S608  only constants


def list_without_band(organization_ids: Sequence[int]) -> list[int]:
    """Return the organizations that lack today's range; one statement."""
    now = timezone.now()
    rows = fetch_all(_FIRST_DAYS, {"ids": array(organization_ids), "now": now})
    return [
        id_
        for id_, zone, day in rows
        if day != first_incomplete_day(now, ZoneInfo(zone))
    ]
