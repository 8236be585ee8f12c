"""Costs of an organization: by product, or the period's added up to its limits."""

from typing import Any

from django.http import HttpResponse
from django.urls import reverse

from billing.forecast.charts import limit_lines, period_chart
from billing.forecast.queries.forecasts import Forecast, forecast
from metrics.views import (
    ChartRequest,
    cost_panel_context,
    read_chart_request,
)
from orgs.catalog import Scope
from orgs.web.http import OrgRequest, page_or_fragment


def costs(request: OrgRequest, organization_id: int) -> HttpResponse:
    """By day or month and product: the same numbers as contract C's chart."""
    asked = ask_costs(request, organization_id)
    context = {
        **limited_panel(asked, look(asked), "billing:costs"),
        "tab": "costs",
        "nav_key": "organizations",
    }
    return page_or_fragment(
        request,
        "billing/console/costs.html",
        "metrics/_costs_panel.html",
        context,
        status=asked.status,
    )


def ask_costs(request: OrgRequest, organization_id: int) -> ChartRequest:
    return read_chart_request(
        request, organization_id, Scope.BILLING_READ, offers_cumulative=True
    )


def look(asked: ChartRequest) -> Forecast:
    return forecast(asked.organization, today=asked.today, period=asked.period)


def limited_panel(asked: ChartRequest, ahead: Forecast, name: str) -> dict[str, Any]:
    """The cost chart with its limits, for the page of that URL name."""
    label = asked.organization.white_label
    url = reverse(name, args=[asked.organization.pk])
    if not asked.query.is_cumulative:
        limits = limit_lines(ahead, grain=asked.query.grain, zone=label.zone)
        return cost_panel_context(asked, url, limits)
    panel = cost_panel_context(asked, url)
    found = panel["series"]
    by_day = {day: found.cost_in(day) for day in found.buckets}
    chart = period_chart(ahead, by_day, today=asked.today, currency=label.currency)
    return {**panel, "chart": chart, "forecast": ahead}
