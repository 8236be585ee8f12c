"""Template tags of the customer page: its tiles, and the meters of its limits."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.utils.html import format_html

from billing.customer_pages.queries.usage import CustomerUsage
from billing.forecast.queries.forecasts import LimitForecast
from billing.forecast.templatetags.estimates import format_range
from orgs.days import day_of
from orgs.web.templatetags.display import change, day, exact, money

register = template.Library()


@register.simple_tag
def customer_tiles(customer: CustomerUsage) -> list[dict[str, Any]]:
    """Return the tiles of the period's cost, the last 30 days, and the next invoice."""
    return [_period_tile(customer), _recent_tile(customer), _estimate_tile(customer)]


@register.simple_tag
def limit_meters(customer: CustomerUsage) -> list[dict[str, Any]]:
    """Return a meter of each spending limit, the lowest first."""
    return [_meter(customer, limit) for limit in customer.estimate.forecast.limits]


def _currency(customer: CustomerUsage) -> str:
    return customer.organization.white_label.currency


def _period_tile(customer: CustomerUsage) -> dict[str, Any]:
    forecast, currency = customer.estimate.forecast, _currency(customer)
    cost = forecast.cost.cost
    tile = {
        "label": "Cost this period",
        "value": exact(cost, "money", currency),
        "note": _span(customer),
    }
    if forecast.free_balance:
        left = exact(forecast.facts.free_balance_left(cost), "money", currency)
        tile["strong"] = format_html("{} free balance left,", left)
    return tile


def _span(customer: CustomerUsage) -> str:
    forecast = customer.estimate.forecast
    since = day_of(forecast.starts_at, customer.organization.white_label.zone)
    if forecast.ends_on is None:
        return f"since {day(since)}"
    return f"{day(since)} \N{EN DASH} {day(forecast.ends_on - timedelta(days=1))}"


def _recent_tile(customer: CustomerUsage) -> dict[str, Any]:
    recent = customer.recent
    is_new = recent.growth is None
    return {
        "label": "Last 30 days, including today",
        "value": exact(recent.cost, "money", _currency(customer)),
        "strong": "" if recent.growth is None else change(recent.growth),
        "note": "none in the 30 days before" if is_new else "vs. the 30 days before",
    }


def _estimate_tile(customer: CustomerUsage) -> dict[str, Any]:
    estimate = customer.estimate
    if estimate.total is None or estimate.on is None:
        average = exact(estimate.forecast.daily_average, "money", estimate.currency)
        return {"label": "Expected per day", "value": average}
    totals = [exact(row.amount, "money", row.currency) for row in estimate.totals]
    value = format_html(" + ".join(["{}"] * len(totals)), *totals)
    return {
        "label": f"Estimated invoice on {day(estimate.on)}",
        "value": value if estimate.is_complete else format_html("{} or more", value),
        "note": format_range(estimate.total),
    }


def _meter(customer: CustomerUsage, limit: LimitForecast) -> dict[str, Any]:
    payable, currency = customer.estimate.forecast.payable, _currency(customer)
    used = max(payable, Decimal(0))
    return {
        "label": limit.label.capitalize(),
        "used": money(used, currency),
        "limit": money(limit.amount, currency),
        "percent": float(100 * used / limit.amount),
        "tone": _tone(limit),
        "note": _limit_note(limit),
    }


def _tone(limit: LimitForecast) -> str:
    if limit.is_reached:
        return "bad" if limit.kind == "hard" else "warn"
    return "warn" if limit.projected_on else ""


def _limit_note(limit: LimitForecast) -> str:
    """Return what the limit means for the organization."""
    if limit.is_reached and limit.kind == "hard":
        return "Reached. Requests are rejected until it is raised or the period ends."
    if limit.is_reached:
        return "Reached. Service is not affected."
    if limit.projected_on:
        return f"Projected to be reached on {day(limit.projected_on)}."
    return "Not projected to be reached in this period."
