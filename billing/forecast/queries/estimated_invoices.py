"""Queries that read the estimated invoices of one organization, or of a list."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.utils import timezone

from billing.forecast.backtests import (
    MOST_PERIODS,
    Band,
    HitRate,
    Span,
    hit_rate,
    interval,
)
from billing.forecast.queries.estimates import EstimatedInvoice, build_estimate
from billing.forecast.queries.forecasts import Forecast, build_forecast, history_days
from billing.forecast.queries.invoice_terms import invoice_terms
from billing.ledger.queries.facts import billing_facts
from billing.models import BillingPeriod
from metrics.periods import DayRange
from metrics.queries.periods import CurrentPeriod, current_period
from metrics.queries.series import ZERO, costs_by_day
from orgs.days import day_of
from orgs.models import Organization

# Days that past forecasts are repeated in: ten months, and the eight weeks before them.
_SCORED_DAYS = 400
_FEWEST_PERIODS = 3  # billing periods; with fewer, spans of the same length are scored
_SHORTEST_PERIOD = 7  # days; a split period is no period to compare with


def get_estimate(
    organization: Organization, *, period: CurrentPeriod | None = None
) -> EstimatedInvoice:
    """Return an organization's estimated invoice with its range and hit rate.

    Seven statements, six if `period` is given. Reads 400 days of daily costs.
    """
    now, zone = timezone.now(), organization.white_label.zone
    scored = _scored_days(now, zone)
    costs = costs_by_day({organization.id: scored})[organization.id]
    forecast = build_forecast(
        period or current_period(organization.id),
        billing_facts([organization.id])[organization.id],
        costs,
        today=day_of(now, zone),
        zone=zone,
        now=now,
    )
    band, rate = _score(organization, forecast, costs, scored.start)
    return build_estimate(
        organization,
        forecast,
        invoice_terms([organization.id])[organization.id],
        now=now,
        band=band,
        hit_rate=rate,
    )


def list_estimates(
    organizations: Sequence[Organization], forecasts: Mapping[int, Forecast]
) -> dict[int, EstimatedInvoice]:
    """Return the estimates for forecasts by organization id, without ranges.

    Three statements for any number of organizations.
    """
    now = timezone.now()
    rows = [row for row in organizations if row.id in forecasts]
    terms = invoice_terms(row.id for row in rows)
    return {
        row.id: build_estimate(row, forecasts[row.id], terms[row.id], now=now)
        for row in rows
    }


def _scored_days(now: datetime, zone: ZoneInfo) -> DayRange:
    days = history_days(now, zone)
    return DayRange(days.end - timedelta(days=_SCORED_DAYS), days.end)


def _score(
    organization: Organization,
    forecast: Forecast,
    costs: Mapping[date, Decimal],
    start: date,
) -> tuple[Band | None, HitRate | None]:
    """Return the interval of the rest of the period, and the score of past ones."""
    first, last = forecast.usage.first, forecast.last_day
    start = min(costs, default=start)
    if last is None or start >= first:
        return None, None
    days = [start + timedelta(days=at) for at in range((first - start).days)]
    history = [float(costs.get(day, ZERO)) for day in days]
    ahead = max((last - first).days + 1, 1)
    spans, are_periods = _past_spans(organization, forecast, start)
    rate = hit_rate(history, spans, ahead, are_billing_periods=are_periods)
    return interval(history, ahead), rate


def _past_spans(
    organization: Organization, forecast: Forecast, start: date
) -> tuple[list[Span], bool]:
    """Return the past periods as positions from `start`, the latest first.

    Also whether they are billing periods. If too few of them were closed, they are
    spans as long as the open period, back to back before it.
    """
    zone = organization.white_label.zone
    rows = BillingPeriod.objects.filter(
        organization_id=organization.pk, ends_at__isnull=False
    ).order_by("-number")
    spans = [
        Span(
            (day_of(starts_at, zone) - start).days, (day_of(ends_at, zone) - start).days
        )
        for starts_at, ends_at in rows.values_list("starts_at", "ends_at")[
            :MOST_PERIODS
        ]
        if ends_at is not None
    ]
    periods = [
        span
        for span in spans
        if span.start >= 0 and span.end - span.start >= _SHORTEST_PERIOD
    ]
    if len(periods) >= _FEWEST_PERIODS:
        return periods, True
    return _equal_spans(forecast, start, zone), False


def _equal_spans(forecast: Forecast, start: date, zone: ZoneInfo) -> list[Span]:
    begins = (day_of(forecast.starts_at, zone) - start).days
    ends = (forecast.ends_on - start).days if forecast.ends_on else begins
    length = min(max(ends - begins, _SHORTEST_PERIOD), 31)
    newest = min(begins, (forecast.usage.first - start).days)
    return [
        Span(end - length, end)
        for end in range(newest, length - 1, -length)[:MOST_PERIODS]
    ]
