"""Pages of the organization list and of an organization's overview."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from django.http import HttpResponse
from django.urls import reverse

from billing.console.forms import list_url, read_filters
from billing.console.queries.organization_list import STATES, FleetFilters, fleet_page
from billing.console.queries.tabs import MAX_COUNT, count_tabs
from billing.console.views.costs import (
    ask_costs,
    cost_panel_with_limits,
)
from billing.forecast.queries.estimated_invoices import get_estimate
from billing.stripe.tasks import request_previews
from metrics.periods import DayRange
from metrics.queries.daily_metrics import entitlement_usage
from metrics.queries.fleet import recent_costs
from metrics.queries.series import GroupBy, SeriesFilters, series
from orgs import access
from orgs.catalog import Scope
from orgs.schemas.exports import EXCEL
from orgs.web.http import OrgRequest, page_or_fragment, wants_fragment

_RECENT_DAYS = 7
# Meter, column and unit of the table of recent days.
_DAY_METERS = (
    ("requests", "Requests", "compact"),
    ("prompt_tokens", "Input tokens", "compact"),
    ("completion_tokens", "Output tokens", "compact"),
    ("cpu_seconds", "CPU", "seconds"),
    ("gpu_seconds", "GPU", "seconds"),
)
_SORT_LABELS = (
    ("name", "Organization"),
    ("cost", "Cost, 30 days"),
    ("limit", "Limit reached"),
    ("created", "Created"),
)


def organization_list(request: OrgRequest) -> HttpResponse:
    """Show the organizations that the user has access to, a page at a time."""
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    filters = read_filters(request.GET)
    visible = access.visible(principal)
    page = fleet_page(visible, filters, scope=principal.name)
    base = reverse("billing:organization_list")
    is_fragment = wants_fragment(request)
    context = {
        "nav_key": "organizations",
        "filters": filters,
        "rows": page.rows,
        "states": [] if is_fragment else _tabs(base, filters, principal),
        "csv_url": list_url(
            reverse("billing:organization_csv"), filters, **{"for": EXCEL}
        ),
        "is_fragment": is_fragment,
        "sorts": _sorts(base, filters),
        "hidden": [
            {"name": name, "value": value}
            for name, value in (("state", filters.state), ("sort", filters.sort))
            if list_url(base, FleetFilters(), **{name: value}) != base
        ],
        "shows_white_label": principal.sees_all,
        "next_url": _page_url(base, filters, page.next_cursor),
        "previous_url": _page_url(base, filters, page.previous_cursor),
        "clear_url": list_url(base, replace(filters, search="")),
    }
    return page_or_fragment(
        request,
        "billing/console/organization_list.html",
        "billing/console/_organization_table.html",
        context,
    )


def _tabs(
    base: str, filters: FleetFilters, principal: access.Principal
) -> list[dict[str, Any]]:
    """Return the tabs with their counts, which a search does not change."""
    visible = access.visible(principal)
    counts = count_tabs(visible, white_label_id=principal.white_label_id)
    return [
        {
            "label": state.title(),
            "url": list_url(base, filters, state=state),
            "current": state is filters.state,
            "count": _format_count(counts[state]) if counts.get(state) else "",
        }
        for state in STATES
    ]


def _format_count(count: int) -> str:
    return f"{MAX_COUNT}+" if count > MAX_COUNT else str(count)


def _sorts(base: str, filters: FleetFilters) -> dict[str, dict[str, str]]:
    """Return the links of the column headers.

    A link sorts by its column, or reverses the order if that is the sort already.
    """
    sorts, order = {}, filters.order
    for slug, label in _SORT_LABELS:
        is_current = filters.sort.removeprefix("-") == slug
        next_sort = f"-{slug}" if filters.sort == slug else slug
        direction = ("down" if order.descending else "up") if is_current else ""
        aria = {"down": "descending", "up": "ascending", "": "none"}[direction]
        url = list_url(base, filters, sort=next_sort)
        sorts[slug] = {"label": label, "url": url, "direction": direction, "aria": aria}
    return sorts


def _page_url(base: str, filters: FleetFilters, cursor: str | None) -> str:
    return list_url(base, filters, cursor=cursor) if cursor else ""


def overview(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Show an organization's costs, forecast, entitlements and recent days."""
    cost_request = ask_costs(request, organization_id)
    organization, today = cost_request.organization, cost_request.today
    estimate = get_estimate(organization, period=cost_request.period)
    request_previews(organization, estimate)
    forecast = estimate.forecast
    context = {
        **cost_panel_with_limits(cost_request, forecast, "billing:overview"),
        "tab": "overview",
        "nav_key": "organizations",
        "today": today,
    }
    if not wants_fragment(request):
        recent = recent_costs([organization.id], today=today)
        context |= {
            "forecast": forecast,
            "estimate": estimate,
            "recent": recent[organization.id],
            "use": entitlement_usage(organization, today=today),
            **_recent_days(organization.id, today),
        }
    return page_or_fragment(
        request,
        "billing/console/overview.html",
        "metrics/_costs_panel.html",
        context,
        status=cost_request.status,
    )


def _recent_days(organization_id: int, today: date) -> dict[str, Any]:
    """Return the template variables of the last seven days, newest first.

    Only the meters that were used in them get a column.
    """
    days = DayRange(today - timedelta(days=_RECENT_DAYS - 1), today + timedelta(days=1))
    usage = series(organization_id, SeriesFilters(days, group_by=GroupBy.METER))
    used = {line.id for line in usage.lines if line.total.quantity}
    meters = [meter for meter in _DAY_METERS if meter[0] in used]
    rows = []
    for day in reversed(usage.buckets):
        amounts = {line.id: amounts.quantity for line, amounts in usage.amounts_in(day)}
        cells = [(amounts.get(slug, 0), unit) for slug, _, unit in meters]
        rows.append({"day": day, "cells": cells, "cost": usage.cost_in(day)})
    return {"day_meters": meters, "recent_days": rows if used else []}
