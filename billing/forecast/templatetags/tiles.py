"""Template tag of the tiles at the top of an organization's page."""

from datetime import date, datetime, timedelta
from typing import TypedDict

from django import template
from django.utils import timezone
from django.utils.html import format_html

from billing.forecast.queries.estimates import EstimatedInvoice
from billing.forecast.queries.forecasts import Forecast, LimitForecast
from billing.forecast.templatetags.estimates import (
    format_totals,
    limit_day,
    mark_range,
)
from metrics.queries.fleet import RecentCost
from orgs.days import day_of
from orgs.models import Organization
from orgs.web.templatetags.display import UNKNOWN, change, day, exact, money

register = template.Library()


class Tile(TypedDict, total=False):
    """The variables of a tile, as its template takes them."""

    label: str
    value: str
    note: str
    strong: str
    tone: str
    url: str


@register.simple_tag
def forecast_tiles(
    organization: Organization, estimate: EstimatedInvoice, recent: RecentCost
) -> list[Tile]:
    """Return the tiles of cost, growth, estimate, savings and last invoice.

    Without any benchmark price there are no savings to show.
    """
    currency, forecast = organization.white_label.currency, estimate.forecast
    return [
        _period_tile(organization, forecast, currency),
        _recent_tile(organization, recent, currency),
        _estimate_tile(organization, estimate, currency),
        *_savings_tiles(organization, forecast, currency),
        _invoice_tile(organization, forecast),
    ]


def _period_tile(organization: Organization, forecast: Forecast, currency: str) -> Tile:
    since = day_of(forecast.starts_at, organization.white_label.zone)
    tile: Tile = {
        "label": "Cost this period",
        "value": exact(
            forecast.cost.cost,
            "money",
            currency,
            number="organization.cost_this_period",
            of=organization.pk,
        ),
        "note": _format_span(since, forecast.ends_on),
    }
    if forecast.free_balance:
        left = exact(
            forecast.facts.free_balance_left(forecast.cost.cost),
            "money",
            currency,
            number="organization.free_balance_left",
            of=organization.pk,
        )
        tile["strong"] = format_html("{} free balance left", left)
    return tile


def _format_span(since: date, ends_on: date | None) -> str:
    """Return the period's first and last day, only the first if no end is known."""
    if ends_on is None:
        return f"since {day(since)}"
    return f"{day(since)} \N{EN DASH} {day(ends_on - timedelta(days=1))}"


def _recent_tile(organization: Organization, recent: RecentCost, currency: str) -> Tile:
    return {
        "label": "Last 30 days, including today",
        "value": exact(
            recent.cost,
            "money",
            currency,
            number="organization.cost_30_days",
            of=organization.pk,
        ),
        "strong": change(recent.growth) if recent.growth is not None else "",
        "note": "vs. previous 30 days"
        if recent.growth is not None
        else "none in the previous 30 days",
    }


def _savings_tiles(
    organization: Organization, forecast: Forecast, currency: str
) -> list[Tile]:
    if not forecast.cost.benchmark_cost:
        return []
    savings = exact(
        forecast.cost.savings,
        "money",
        currency,
        number="organization.savings_this_period",
        of=organization.pk,
    )
    tile: Tile = {"label": "Savings vs. benchmark", "value": savings}
    return [tile | {"note": "this period"}]


def _estimate_tile(
    organization: Organization, estimate: EstimatedInvoice, currency: str
) -> Tile:
    """Return the tile of the estimated invoice, or of the daily average without one."""
    tile: Tile = {"url": "#estimate"}
    if estimate.total is None or estimate.on is None:
        average = estimate.forecast.daily_average
        tile |= {
            "label": "Expected per day",
            "value": exact(
                average,
                "money",
                currency,
                number="organization.expected_per_day",
                of=organization.pk,
            ),
            "note": "no invoice is scheduled",
        }
    else:
        tile |= {
            "label": f"Estimated invoice on {day(estimate.on)}",
            "value": format_totals(estimate, organization.pk),
            "note": mark_range(estimate.total, organization.pk),
        }
    if limit := estimate.forecast.next_limit:
        tile |= _limit_note(limit, currency, organization.pk)
    return tile


def _limit_note(limit: LimitForecast, currency: str, organization_id: int) -> Tile:
    name = f"{limit.label} ({money(limit.amount, currency)})"
    if limit.is_reached:
        tone = "bad" if limit.kind == "hard" else "warn"
        on = format_html(" on {}", limit_day(limit, organization_id))
        strong = format_html("{} reached{}", name.capitalize(), on if limit.day else "")
        return {"strong": strong, "note": "", "tone": tone}
    if limit.projected_on is None:
        return {"note": f"not projected to reach the {name}"}
    return {
        "strong": format_html(
            "Projected to reach the {} on {}", name, limit_day(limit, organization_id)
        ),
        "note": "at the expected usage",
        "tone": "warn",
    }


def _invoice_tile(organization: Organization, forecast: Forecast) -> Tile:
    zone = organization.white_label.zone
    if forecast.facts.last_invoice_at is None:
        return {"label": "Last invoice", "value": UNKNOWN, "note": "none yet"}
    local = forecast.facts.last_invoice_at.astimezone(zone)
    return {
        "label": "Last invoice",
        "value": day(local.date()),
        "note": f"{_format_age(local)}, {local:%H:%M %Z}",
    }


def _format_age(at: datetime) -> str:
    days = (timezone.now() - at).days
    return f"{days} day{'' if days == 1 else 's'} ago" if days > 0 else "today"
