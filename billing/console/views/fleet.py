"""The first page: what all organizations cost and use, and which need somebody."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from billing.console.forms import fleet_choices, read_fleet_scope
from billing.console.queries.needs_action import Concern, has_customers, needs_action
from billing.console.queries.scope import FleetScope
from billing.stripe.queries.sync_health import sync_health
from metrics.charts import cost_chart
from metrics.forms import ChartQuery
from metrics.queries.fleet import (
    RecentCost,
    TopSpender,
    list_top_spenders,
    recent_costs_by_day,
)
from metrics.queries.fleet_series import count_pending, fleet_series, fleet_totals
from metrics.views import chart_panel_context
from orgs import access
from orgs.catalog import Scope
from orgs.web.charts import sparkline
from orgs.web.http import OrgRequest, page_or_fragment, wants_fragment

_PAGE, _PANEL = "billing/console/fleet.html", "metrics/_costs_panel.html"
_SHOWN = 8  # largest organizations, and trials
_MANY_CHANGES = 10_000  # waiting to be folded: more than ten busy seconds leave


def fleet(request: OrgRequest) -> HttpResponse:
    """Money and usage of the fleet; who may not see money is led to the list."""
    principal = access.principal_of(request.user)
    if principal.scopes and Scope.BILLING_READ not in principal.scopes:
        return redirect("billing:organization_list")
    principal.require(Scope.BILLING_READ)
    labels = access.visible_white_labels(principal)
    context: dict[str, Any] = {"nav_key": "fleet", "sees_all": principal.sees_all}
    if not labels:
        return page_or_fragment(request, _PAGE, _PAGE, context)
    scope, now = read_fleet_scope(request.GET, labels), timezone.now()
    query = ChartQuery.read(
        request.GET,
        today=scope.today(now),
        period_starts_on=None,
        other_parameters=scope.kept,
    )
    context |= {"scope": scope, **_costs(query, scope, now)}
    if not wants_fragment(request):
        context |= {"choices": fleet_choices(scope, labels), **_whole(scope, now)}
        context["health"] = sync_health(
            scope.white_labels, include_unassigned=principal.sees_all
        )
        is_used = context["totals"].is_used or context["series"].lines
        context["is_unused"] = not is_used
    status = 400 if query.problem else 200
    return page_or_fragment(request, _PAGE, _PANEL, context, status=status)


def _costs(query: ChartQuery, scope: FleetScope, now: datetime) -> dict[str, Any]:
    found = fleet_series(scope.ids, query.filters())
    chart = cost_chart(found, currency=scope.currency, today=scope.first_open(now))
    return {
        **chart_panel_context(query, reverse("billing:fleet"), found, chart),
        "currency": scope.currency,
        "zone": scope.zone_name,
    }


def _whole(scope: FleetScope, now: datetime) -> dict[str, Any]:
    """What stands around the chart, of the same white labels; eight queries or so."""
    concerns = needs_action(scope.ids, now=now)
    totals = fleet_totals(scope.ids, before=scope.first_open(now))
    largest = list_top_spenders(scope.ids, limit=_SHOWN)
    trials = concerns.trials[:_SHOWN]
    shown: list[TopSpender | Concern] = [*largest, *trials]
    recent = recent_costs_by_day(
        {one.organization_id: scope.today_of(one.white_label_id, now) for one in shown}
    )
    return {
        "now": now,
        "totals": totals,
        "needs_action": concerns,
        "trials": _with_costs(trials, recent),
        "largest": sorted(
            _with_costs(largest, recent), key=lambda entry: -entry["recent"].cost
        ),
        "has_customers": totals.is_used or has_customers(scope.white_labels),
        **_freshness(scope, largest, now),
    }


def _freshness(
    scope: FleetScope, largest: Sequence[TopSpender], now: datetime
) -> dict[str, Any]:
    """What is behind: folding makes a page slow, a sweep a day late misorders it."""
    waiting = count_pending(_MANY_CHANGES)
    days_late = [
        (scope.today_of(row.white_label_id, now) - row.computed_on).days
        for row in largest
    ]
    return {
        "waiting": waiting,
        "is_late": waiting >= _MANY_CHANGES,
        "ordered_at": max((row.computed_at for row in largest), default=None),
        "is_order_stale": max(days_late, default=0) > 1,
    }


def _with_costs(
    rows: Sequence[TopSpender | Concern], recent: dict[int, RecentCost]
) -> list[dict[str, Any]]:
    return [
        {
            "row": row,
            "recent": recent[row.organization_id],
            "points": sparkline(recent[row.organization_id].by_day),
        }
        for row in rows
    ]
