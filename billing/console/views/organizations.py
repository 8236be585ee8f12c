"""Pages of the organization list and of an organization's overview."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils import timezone

from billing.console.forms import (
    SavedViewForm,
    allowed_columns,
    list_parameters,
    list_url,
    read_filters,
)
from billing.console.queries.organization_list import (
    COLUMNS,
    REASON_SCOPE,
    STATES,
    Activity,
    FleetFilters,
    fleet_page,
    list_tiers,
)
from billing.console.queries.saved_views import list_saved_views
from billing.console.queries.tabs import MAX_COUNT, count_tabs
from billing.console.views.costs import (
    ask_costs,
    cost_panel_with_limits,
)
from billing.forecast.queries.estimated_invoices import get_estimate
from billing.forecast.tasks import request_bands
from billing.models import SavedView, Subscription
from billing.needs_action.kinds import GROUP_LABELS
from billing.needs_action.queries.scores import read_scores
from billing.stripe.tasks import request_previews
from metrics.charts.buckets import bucket_marks
from metrics.periods import DayRange
from metrics.queries.daily_metrics import contract_start, entitlement_usage
from metrics.queries.fleet import recent_costs
from metrics.queries.series import Amounts, GroupBy, Series, SeriesFilters, series
from orgs import access
from orgs.catalog import Scope
from orgs.errors import DomainError, Forbidden
from orgs.models import Organization, WhiteLabel
from orgs.schemas.exports import EXCEL
from orgs.web.charts import Mark
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
# The column of each sort order, and the class of each column.
_SORT_COLUMNS = {
    "cost": "cost",
    "growth": "change",
    "entitlement": "entitlement",
    "limit": "limit",
    "created": "created",
}
_COLUMN_CLASSES = {
    "status": "fleet__state",
    "cost": "number fleet__cost",
    "change": "number fleet__change",
    "trend": "fleet__trend",
    "period": "number fleet__period",
    "estimate": "number fleet__estimate",
    "entitlement": "number fleet__entitlement",
    "limit": "fleet__limit",
    "created": "fleet__created",
}


def organization_list(request: OrgRequest) -> HttpResponse:
    """Show the organizations that the user has access to, a page at a time."""
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    labels = access.visible_white_labels(principal)
    filters = read_filters(request.GET, labels, principal.scopes)
    visible = access.visible(principal)
    page = fleet_page(
        visible,
        filters,
        scope=principal.name,
        shows_money=Scope.BILLING_READ in principal.scopes,
    )
    request_bands((r.organization.pk, r.estimate) for r in page.rows if r.estimate)
    base = reverse("billing:organization_list")
    is_fragment = wants_fragment(request)
    context = {
        "nav_key": "organizations",
        "filters": filters,
        "rows": page.rows,
        "columns": _columns(base, filters),
        "name_sort": _sort_link(base, filters, "name", "Organization"),
        "csv_url": list_url(
            reverse("billing:organization_csv"), filters, **{"for": EXCEL}
        ),
        "is_fragment": is_fragment,
        "hidden": _hidden(filters, "q"),
        "shows_white_label": principal.sees_all,
        "groups_currencies": bool(filters.order.group)
        and _has_several_currencies(labels, filters),
        "next_url": _page_url(base, filters, page.next_cursor),
        "previous_url": _page_url(base, filters, page.previous_cursor),
        "clear_url": list_url(base, replace(filters, search="")),
    }
    if not is_fragment:
        context |= _controls(base, filters, principal, labels)
    return page_or_fragment(
        request,
        "billing/console/organization_list.html",
        "billing/console/_organization_table.html",
        context,
    )


def _has_several_currencies(
    labels: Sequence[WhiteLabel], filters: FleetFilters
) -> bool:
    ids = filters.white_label_ids
    return len({label.currency for label in labels if label.pk in ids}) > 1


def _hidden(filters: FleetFilters, *changed: str) -> list[dict[str, str]]:
    """Return the parameters that a form keeps besides those that it changes."""
    parameters = list_parameters(filters).items()
    return [{"name": k, "value": v} for k, v in parameters if k not in changed]


def _controls(
    base: str,
    filters: FleetFilters,
    principal: access.Principal,
    labels: Sequence[WhiteLabel],
) -> dict[str, Any]:
    """Return the tabs, filters, columns and saved views; not of a fragment."""
    query, has_reasons = urlencode(list_parameters(filters)), _has_reasons(principal)
    return {
        "states": _tabs(base, filters, principal),
        "reasons": _reason_tabs(base, filters) if has_reasons else [],
        "labels": labels,
        "tiers": list_tiers(),
        "statuses": Subscription.Status.choices,
        "activities": [(activity.value, activity.title()) for activity in Activity],
        "filter_hidden": _hidden(filters, "white_label", "tier", "status", "activity"),
        "is_filtered": bool(
            filters.white_label or filters.tier or filters.status or filters.activity
        ),
        "column_choices": [
            {"slug": slug, "label": label, "chosen": slug in filters.columns}
            for slug, label in COLUMNS.items()
            if slug in allowed_columns(COLUMNS, principal.scopes)
        ],
        "column_hidden": _hidden(filters, "columns"),
        "views": _views(principal, labels),
        "view_form": SavedViewForm(initial={"query": query}),
        "user_id": principal.user_id,
        "view_query": query,
    }


def _has_reasons(principal: access.Principal) -> bool:
    return REASON_SCOPE in principal.scopes


def _views(
    principal: access.Principal, labels: Sequence[WhiteLabel]
) -> list[SavedView]:
    """Return the saved views, without shared ones that show what the person may not."""
    views = list_saved_views(principal.user_id, principal.white_label_id)
    return [view for view in views if _is_readable(view, principal, labels)]


def _is_readable(
    view: SavedView, principal: access.Principal, labels: Sequence[WhiteLabel]
) -> bool:
    try:
        read_filters(QueryDict(view.query), labels, principal.scopes)
    except Forbidden:
        return False
    except DomainError:  # the page explains what has become of it
        return True
    return True


def _tabs(
    base: str, filters: FleetFilters, principal: access.Principal
) -> list[dict[str, Any]]:
    """Return the tabs with their counts, which a search does not change."""
    counts = count_tabs(None if principal.sees_all else principal.white_label_id or 0)
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
    return f"{MAX_COUNT:,}+" if count > MAX_COUNT else f"{count:,}"


def _reason_tabs(base: str, filters: FleetFilters) -> list[dict[str, Any]]:
    """Return the groups of reasons with their counts, those of Needs action."""
    counts = read_scores(filters.white_label_ids, now=timezone.now()).counts
    tabs = [{"label": "Any", "url": list_url(base, filters, reason=""), "count": ""}]
    tabs[0]["current"] = "true" if not filters.reason else ""
    for group, label in GROUP_LABELS.items():
        count = counts.groups[group]
        tabs.append(
            {
                "label": label,
                "url": list_url(base, filters, reason=group.value),
                "current": "true" if filters.reason == group else "",
                "count": str(count) if count.number else "",
            }
        )
    return list(tabs)


def _columns(base: str, filters: FleetFilters) -> list[dict[str, Any]]:
    """Return the headers of the chosen columns, with the links that sort by them."""
    sorts = {column: slug for slug, column in _SORT_COLUMNS.items()}
    return [
        {
            "label": COLUMNS[slug],
            "css": _COLUMN_CLASSES[slug],
            "sort": _sort_link(base, filters, sorts[slug], COLUMNS[slug])
            if slug in sorts
            else None,
        }
        for slug in filters.columns
    ]


def _sort_link(
    base: str, filters: FleetFilters, slug: str, label: str
) -> dict[str, str]:
    """Return the link of a column's header.

    It sorts by the column, or reverses the order if that is the sort already.
    """
    is_current = filters.sort.removeprefix("-") == slug
    next_sort = f"-{slug}" if filters.sort == slug else slug
    direction = ("down" if filters.order.descending else "up") if is_current else ""
    aria = {"down": "descending", "up": "ascending", "": "none"}[direction]
    url = list_url(base, filters, sort=next_sort)
    return {"label": label, "url": url, "direction": direction, "aria": aria}


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
            **_recent_days(organization, today),
        }
    return page_or_fragment(
        request,
        "billing/console/overview.html",
        "metrics/_costs_panel.html",
        context,
        status=cost_request.status,
    )


def _recent_days(organization: Organization, today: date) -> dict[str, Any]:
    """Return the template variables of the last seven days, newest first.

    Only the meters that were used in them get a column. A day without a record has no
    amounts, which is not 0.
    """
    days = DayRange(today - timedelta(days=_RECENT_DAYS - 1), today + timedelta(days=1))
    usage = series(organization.id, SeriesFilters(days, group_by=GroupBy.METER))
    used = {line.id for line in usage.lines if line.total.quantity}
    meters = [meter for meter in _DAY_METERS if meter[0] in used]
    started_on = contract_start(organization)
    marks = bucket_marks(usage, today=today, started_on=started_on)
    rows = [
        _recent_day(usage, number, marks.get(number), meters)
        for number in reversed(range(len(usage.buckets)))
    ]
    return {"day_meters": meters, "recent_days": rows if used else []}


def _recent_day(
    usage: Series, number: int, mark: Mark | None, meters: Sequence[tuple[str, ...]]
) -> dict[str, Any]:
    day = usage.buckets[number]
    lines = usage.amounts_in(day)
    quantities = {line.id: amounts.quantity for line, amounts in lines}
    total = sum((amounts for _, amounts in lines), Amounts())
    unknown = None if mark and mark.kind == "missing" else 0
    return {
        "day": day,
        "mark": mark,
        "cells": [
            (quantities.get(slug, unknown), unit, f"day.{slug}")
            for slug, _, unit in meters
        ],
        "cost": total.cost if lines else None,
        "has_no_price": total.has_no_price,
    }
