"""Pages of usage and cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone

from metrics.charts import cost_chart, shares, storage_chart, usage_charts
from metrics.forms import ChartQuery
from metrics.periods import Grain
from metrics.queries.daily_metrics import DAYS, DayMetrics, daily_metrics
from metrics.queries.periods import CurrentPeriod, current_period
from metrics.queries.series import GroupBy, Series, series
from orgs import access
from orgs.catalog import Scope
from orgs.days import day_of
from orgs.models import Organization
from orgs.web.charts import Chart, Limit
from orgs.web.http import OrgRequest, page_or_fragment


@dataclass(frozen=True, slots=True)
class ChartRequest:
    """An organization's page, as its address asks for it."""

    organization: Organization
    today: date
    period: CurrentPeriod
    query: ChartQuery

    @property
    def status(self) -> int:
        return 400 if self.query.problem else 200


def read_chart_request(
    request: OrgRequest,
    organization_id: int,
    scope: Scope,
    *,
    offers_cumulative: bool = False,
) -> ChartRequest:
    """What every chart page begins with: the gate, the zone's day, the range."""
    principal = access.principal_of(request.user)
    principal.require(scope)
    organization = access.get_organization(
        principal, organization_id, include_deleted=True
    )
    zone = organization.white_label.zone
    today = day_of(timezone.now(), zone)
    period = current_period(organization.id)
    query = ChartQuery.read(
        request.GET,
        today=today,
        period_starts_on=day_of(period.starts_at, zone),
        offers_cumulative=offers_cumulative,
    )
    return ChartRequest(organization, today, period, query)


def panel_context(query: ChartQuery, url: str, target: str) -> dict[str, Any]:
    """What the range and grain controls of a panel need; the URL is the state."""
    name = target.removeprefix("#")
    return {
        "panel_url": url,
        "panel_id": name,
        "panel_target": target,
        "query": query,
        "ranges": [
            {
                "id": f"{name}-{choice.slug}",
                "label": choice.label,
                "url": query.url(url, range_=choice.slug),
                "current": choice.slug == query.selected.slug,
            }
            for choice in query.choices
        ],
        "grains": [
            {
                "id": f"{name}-{grain.value}",
                "label": grain.value.title(),
                "url": query.url(url, grain=grain),
                "current": grain is query.grain and not query.is_cumulative,
            }
            for grain in Grain
        ]
        + ([_cumulative(query, url, name)] if query.offers_cumulative else []),
        "as_of": timezone.now(),
    }


def _cumulative(query: ChartQuery, url: str, name: str) -> dict[str, Any]:
    return {
        "id": f"{name}-cumulative",
        "label": "Cumulative",
        "url": query.cumulative_url(url),
        "current": query.is_cumulative,
    }


def cost_panel_context(
    chart_request: ChartRequest, url: str, limits: Sequence[Limit] = ()
) -> dict[str, Any]:
    """The cost chart of an organization, on whichever page it stands."""
    white_label = chart_request.organization.white_label
    found = series(chart_request.organization.id, chart_request.query.filters())
    chart = cost_chart(
        found, currency=white_label.currency, today=chart_request.today, limits=limits
    )
    return {
        **chart_panel_context(chart_request.query, url, found, chart),
        "organization": chart_request.organization,
        "period": chart_request.period,
        "currency": white_label.currency,
        "zone": white_label.time_zone,
    }


def chart_panel_context(
    query: ChartQuery, url: str, found: Series, chart: Chart | None
) -> dict[str, Any]:
    """Any cost chart with its controls; whose it is, says `currency` and `zone`."""
    return {
        **panel_context(query, url, "#costs-panel"),
        "series": found,
        "chart": chart,
        "shares": shares(found),
        "savings": found.total.benchmark_cost - found.total.cost,
    }


def usage(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Quantities by unit, and the daily metrics of the same days."""
    chart_request = read_chart_request(
        request, organization_id, Scope.ORGANIZATIONS_READ
    )
    organization = chart_request.organization
    url = reverse("metrics:usage", args=[organization_id])
    found = series(organization.id, chart_request.query.filters(GroupBy.METER))
    days = _days(chart_request)
    context = {
        **panel_context(chart_request.query, url, "#usage-panel"),
        "organization": organization,
        "period": chart_request.period,
        "charts": usage_charts(found, today=chart_request.today),
        "tab": "usage",
        "nav_key": "organizations",
        "today": chart_request.today,
        "days": days[::-1],
        "has_compute": any(row.compute_seconds for row in days),
        "storage": storage_chart(days),
    }
    return page_or_fragment(
        request,
        "metrics/usage.html",
        "metrics/_usage_panel.html",
        context,
        status=chart_request.status,
    )


def _days(chart_request: ChartRequest) -> list[DayMetrics]:
    """Those of the range that have begun; of years, the last: each is a row."""
    last = min(chart_request.query.through, chart_request.today)
    days = (last - chart_request.query.selected.range.start).days + 1
    if days < 1:
        return []
    return daily_metrics(chart_request.organization, last=last, days=min(days, DAYS))
