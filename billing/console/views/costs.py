"""Page of an organization's costs by product, or cumulative against its limits."""

from typing import Any

from django.http import HttpResponse
from django.urls import reverse

from billing.console.forms import DIFFERENCE_PARAMETERS
from billing.console.views.cost_differences import PANEL, difference_context
from billing.forecast.charts import limit_lines, period_chart
from billing.forecast.queries.forecasts import Forecast, get_forecast
from metrics.forms import CHART_PARAMETERS
from metrics.views.usage import ChartRequest, cost_panel_context, read_chart_request
from orgs.catalog import Scope
from orgs.web.http import OrgRequest, page_or_fragment, wants_fragment


def costs(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Show costs by day or month and product, as contract C's chart does."""
    cost_request = ask_costs(request, organization_id)
    if request.htmx and request.htmx.target == PANEL:
        return _difference_panel(request, cost_request)
    context = {
        **cost_panel_with_limits(
            cost_request, forecast_costs(cost_request), "billing:costs"
        ),
        "tab": "costs",
        "nav_key": "organizations",
    }
    if not wants_fragment(request):
        context |= _difference(request, cost_request)
    return page_or_fragment(
        request,
        "billing/console/costs.html",
        "metrics/_costs_panel.html",
        context,
        status=cost_request.status,
    )


def _difference_panel(request: OrgRequest, cost_request: ChartRequest) -> HttpResponse:
    """Answer htmx with the panel of the difference alone."""
    context = _difference(request, cost_request)
    template = "billing/console/_difference_panel.html"
    status = 400 if context["difference_problem"] else 200
    return page_or_fragment(request, template, template, context, status=status)


def _difference(request: OrgRequest, cost_request: ChartRequest) -> dict[str, Any]:
    """Return the context of the difference; its links keep the chart as it is."""
    other_parameters = [
        (name, value)
        for name in CHART_PARAMETERS
        for value in request.GET.getlist(name)
        if value and not cost_request.query.problem
    ]
    return difference_context(cost_request.organization, request.GET, other_parameters)


def ask_costs(request: OrgRequest, organization_id: int) -> ChartRequest:
    """Return the cost query of a request; raise an access error without the rights."""
    return read_chart_request(
        request,
        organization_id,
        Scope.BILLING_READ,
        offers_cumulative=True,
        other_parameters=DIFFERENCE_PARAMETERS,
    )


def forecast_costs(cost_request: ChartRequest) -> Forecast:
    """Return the forecast of the organization whose costs are shown."""
    return get_forecast(
        cost_request.organization, today=cost_request.today, period=cost_request.period
    )


def cost_panel_with_limits(
    cost_request: ChartRequest, forecast: Forecast, url_name: str
) -> dict[str, Any]:
    """Return the template variables of the cost chart with spending limits."""
    label = cost_request.organization.white_label
    url = reverse(url_name, args=[cost_request.organization.pk])
    if not cost_request.query.is_cumulative:
        limits = limit_lines(forecast, grain=cost_request.query.grain, zone=label.zone)
        lines = reverse("billing:cost_lines", args=[cost_request.organization.pk])
        return cost_panel_context(cost_request, url, limits, lines)
    panel = cost_panel_context(cost_request, url)
    series = panel["series"]
    by_day = {day: series.cost_in(day) for day in series.buckets}
    chart = period_chart(
        forecast, by_day, today=cost_request.today, currency=label.currency
    )
    return {**panel, "chart": chart, "forecast": forecast}
