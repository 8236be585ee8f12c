"""Queries that read the estimated invoices of one organization, or of a list."""

from collections.abc import Container, Mapping, Sequence
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.utils import timezone

from billing.forecast.backtests import MOST_PERIODS, HitRate, Span, hit_rate
from billing.forecast.queries.bands import (
    band_key,
    compute_band,
    compute_bands,
    cost_history,
    list_bands,
    scored_days,
)
from billing.forecast.queries.estimates import EstimatedInvoice, build_estimate
from billing.forecast.queries.forecasts import Forecast, build_forecast
from billing.forecast.queries.invoice_terms import invoice_terms
from billing.ledger.queries.facts import billing_facts
from billing.models import BillingPeriod
from metrics.queries.periods import CurrentPeriod, current_period
from metrics.queries.series import costs_by_day
from orgs.days import day_of
from orgs.models import Organization

_FEWEST_PERIODS = 3  # billing periods; with fewer, spans of the same length are scored
_SHORTEST_PERIOD = 7  # days; a split period is no period to compare with


def get_estimate(
    organization: Organization, *, period: CurrentPeriod | None = None
) -> EstimatedInvoice:
    """Return an organization's estimated invoice with its range and hit rate.

    Eight statements, seven if `period` is given. Reads 400 days of daily costs.
    """
    now, zone = timezone.now(), organization.white_label.zone
    scored = scored_days(now, zone)
    costs = costs_by_day({organization.id: scored})[organization.id]
    forecast = build_forecast(
        period or current_period(organization.id),
        billing_facts([organization.id])[organization.id],
        costs,
        today=day_of(now, zone),
        zone=zone,
        now=now,
    )
    bands, key = list_bands({organization.id: forecast}), band_key(forecast)
    if organization.id not in bands and key is not None:
        bands[organization.id] = compute_band(costs, key)
    return build_estimate(
        organization,
        forecast,
        invoice_terms([organization.id])[organization.id],
        now=now,
        band=bands.get(organization.id),
        hit_rate=_score(organization, forecast, costs),
    )


def list_estimates(
    organizations: Sequence[Organization],
    forecasts: Mapping[int, Forecast],
    *,
    computes_ranges: bool = False,
) -> dict[int, EstimatedInvoice]:
    """Return the estimates for forecasts by organization id.

    Four statements for any number of organizations. Ranges are those that were
    prepared; with `computes_ranges` the others are computed, by a fifth statement.
    """
    now = timezone.now()
    rows = [row for row in organizations if row.id in forecasts]
    terms = invoice_terms(row.id for row in rows)
    bands = list_bands({row.id: forecasts[row.id] for row in rows})
    if computes_ranges:
        lacking = [row for row in rows if _lacks_band(row, forecasts, bands)]
        computed = compute_bands(lacking, forecasts) if lacking else {}
        bands |= {id_: band for id_, (_, band) in computed.items()}
    return {
        row.id: build_estimate(
            row,
            forecasts[row.id],
            terms[row.id],
            now=now,
            band=bands.get(row.id),
            has_band=row.id in bands,
        )
        for row in rows
    }


def _lacks_band(
    row: Organization, forecasts: Mapping[int, Forecast], bands: Container[int]
) -> bool:
    return row.id not in bands and bool(forecasts[row.id].rest)


def _score(
    organization: Organization, forecast: Forecast, costs: Mapping[date, Decimal]
) -> HitRate | None:
    """Return how often the forecast was right in past periods; None if unknown."""
    key = band_key(forecast)
    history = cost_history(costs, key.first_day) if key else None
    if key is None or history is None:
        return None
    start, past = history
    spans, are_periods = _past_spans(organization, forecast, start)
    return hit_rate(past, spans, key.ahead, are_billing_periods=are_periods)


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
