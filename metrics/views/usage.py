"""Pages of an organization's usage, and the cost panel that other pages include."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone

from metrics.charts.costs import cost_chart, shares
from metrics.charts.lines import LineChoice
from metrics.charts.usage import storage_chart, usage_charts
from metrics.forms import MENU_RANGES, ChartQuery
from metrics.periods import Grain
from metrics.queries.daily_metrics import (
    DAYS,
    DayMetrics,
    contract_start,
    daily_metrics,
)
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
    """A permitted request for a chart of an organization, with its parameters."""

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
    other_parameters: Collection[str] = (),
) -> ChartRequest:
    """Check access and read the parameters of an organization's chart page.

    `other_parameters` are the names of parameters that every link of the chart keeps.

    Raises `Forbidden` without the scope, `OrganizationNotFound` for an organization
    that the user may not see. Deleted organizations are shown.
    """
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
        other_parameters=tuple(
            (name, value)
            for name in other_parameters
            if (value := request.GET.get(name, ""))
        ),
        offers_cumulative=offers_cumulative,
    )
    return ChartRequest(organization, today, period, query)


def panel_context(query: ChartQuery, url: str, target: str) -> dict[str, Any]:
    """Return the context of a panel's range and grain controls.

    Each control is a link: the state of the page is its URL. `target` is the CSS
    selector of the panel.
    """
    panel_id = target.removeprefix("#")
    return {
        "panel_url": url,
        "panel_id": panel_id,
        "panel_target": target,
        "query": query,
        "ranges": [
            {
                "id": f"{panel_id}-{choice.slug}",
                "label": choice.label,
                "url": query.url(url, range_=choice.slug),
                "current": choice.slug == query.selected.slug,
            }
            for choice in query.choices
            if choice.slug not in MENU_RANGES
        ],
        "menu_ranges": [
            {
                "label": choice.label,
                "url": query.url(url, range_=choice.slug),
                "current": choice.slug == query.selected.slug,
            }
            for choice in query.choices
            if choice.slug in MENU_RANGES
        ],
        "grains": [
            {
                "id": f"{panel_id}-{grain.value}",
                "label": grain.value.title(),
                "url": query.url(url, grain=grain),
                "current": grain is query.grain and not query.is_cumulative,
            }
            for grain in Grain
        ]
        + (
            [_cumulative_option(query, url, panel_id)]
            if query.offers_cumulative
            else []
        ),
        "as_of": timezone.now(),
    }


def _cumulative_option(query: ChartQuery, url: str, panel_id: str) -> dict[str, Any]:
    return {
        "id": f"{panel_id}-cumulative",
        "label": "Cumulative",
        "url": query.cumulative_url(url),
        "current": query.is_cumulative,
    }


def cost_panel_context(
    chart_request: ChartRequest,
    url: str,
    limits: Sequence[Limit] = (),
    lines_url: str = "",
) -> dict[str, Any]:
    """Return the context of an organization's cost panel.

    With `lines_url`, days and lines are links to the lines of their cost.
    """
    white_label = chart_request.organization.white_label
    organization_id, query = chart_request.organization.id, chart_request.query
    costs = series(organization_id, query.filters())
    previous = None
    if query.is_compared:
        previous = series(organization_id, query.filters().before())
    chart = cost_chart(
        costs,
        currency=white_label.currency,
        today=chart_request.today,
        limits=limits,
        lines_url=lines_url,
        started_on=contract_start(chart_request.organization),
        choice=line_choice(query, url, "#costs-panel"),
        previous=(query.previous_label, previous) if previous else None,
    )
    return {
        **chart_panel_context(query, url, costs, chart),
        "shares": shares(costs, previous),
        "previous": previous,
        "lines_url": lines_url,
        "groups": _group_options(query, url),
        "shares_csv_label": f"{query.group_by.value.title()}s CSV",
        "comparisons": _comparison_options(query, url),
        "organization": chart_request.organization,
        "period": chart_request.period,
        "currency": white_label.currency,
        "zone": white_label.time_zone,
    }


def line_choice(query: ChartQuery, url: str, target: str) -> LineChoice:
    """Return the choice of lines of a chart, and the links that change it."""
    return LineChoice(
        lambda choice: query.changed_url(
            url, hidden=choice.hidden, has_all_lines=choice.has_all_lines
        ),
        target,
        query.hidden,
        query.has_all_lines,
    )


def _group_options(query: ChartQuery, url: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"costs-panel-by-{group_by.value}",
            "label": group_by.value.title(),
            "url": query.changed_url(url, group_by=group_by, hidden=frozenset()),
            "current": group_by is query.group_by and not query.is_cumulative,
        }
        for group_by in (GroupBy.PRODUCT, GroupBy.PROJECT, GroupBy.METER)
    ]


def _comparison_options(query: ChartQuery, url: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"costs-panel-compare-{number}",
            "label": label,
            "url": query.changed_url(url, is_compared=is_compared),
            "current": is_compared is query.is_compared,
        }
        for number, (label, is_compared) in enumerate(
            (("Alone", False), ("Against previous", True))
        )
    ]


def chart_panel_context(
    query: ChartQuery, url: str, costs: Series, chart: Chart | None
) -> dict[str, Any]:
    """Return the context of a cost panel without `currency` and `zone`.

    The caller adds these two: they belong to an organization or to the fleet.
    """
    return {
        **panel_context(query, url, "#costs-panel"),
        "series": costs,
        "chart": chart,
        "shares": shares(costs),
        "savings": costs.total.benchmark_cost - costs.total.cost,
    }


def usage(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Show quantities by unit, and the daily metrics of the same days."""
    chart_request = read_chart_request(
        request, organization_id, Scope.ORGANIZATIONS_READ
    )
    organization = chart_request.organization
    url = reverse("metrics:usage", args=[organization_id])
    usage_series = series(organization.id, chart_request.query.filters(GroupBy.METER))
    days = _started_days(chart_request)
    context = {
        **panel_context(chart_request.query, url, "#usage-panel"),
        "organization": organization,
        "period": chart_request.period,
        "charts": usage_charts(
            usage_series,
            today=chart_request.today,
            started_on=contract_start(organization),
            choice=line_choice(chart_request.query, url, "#usage-panel"),
        ),
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


def _started_days(chart_request: ChartRequest) -> list[DayMetrics]:
    """Return the metrics of the days of the range up to today, at most the last 365."""
    last = min(chart_request.query.through, chart_request.today)
    days = (last - chart_request.query.selected.range.start).days + 1
    if days < 1:
        return []
    return daily_metrics(chart_request.organization, last=last, days=min(days, DAYS))
