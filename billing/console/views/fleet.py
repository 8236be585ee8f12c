"""Overview page: cost and usage of all organizations, and which of them need action."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from billing.console.forms import fleet_choices, read_fleet_scope
from billing.console.queries.scope import FleetScope
from billing.needs_action.queries.overview import has_customers, needs_action
from billing.needs_action.queries.reasons import OrganizationInNeed
from billing.stripe.queries.sync_health import sync_health
from metrics.charts.costs import cost_chart
from metrics.forms import ChartQuery
from metrics.queries.fleet import (
    RecentCost,
    TopSpender,
    list_top_spenders,
    recent_costs_by_day,
)
from metrics.queries.fleet_series import count_pending, fleet_series, fleet_totals
from metrics.queries.unpriced import list_fleet_unpriced
from metrics.views.usage import chart_panel_context, line_choice
from orgs import access
from orgs.catalog import Scope
from orgs.web.charts import sparkline
from orgs.web.http import OrgRequest, page_or_fragment, wants_fragment

_PAGE, _PANEL = "billing/console/fleet.html", "metrics/_costs_panel.html"
_MAX_SHOWN = 8  # largest organizations, and trials
# Pending changes from which the roll-up counts as behind: more than ten busy seconds
# leave.
_MANY_CHANGES = 10_000


def fleet(request: OrgRequest) -> HttpResponse:
    """Show cost and usage of the fleet.

    Users without access to billing are redirected to the organization list.
    """
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
        other_parameters=scope.url_parameters,
    )
    context |= {"scope": scope, **_cost_panel(query, scope, now)}
    if not wants_fragment(request):
        context |= {"choices": fleet_choices(scope, labels), **_cards(scope, now)}
        context["health"] = sync_health(
            scope.white_labels, include_unassigned=principal.sees_all
        )
        is_used = context["totals"].is_used or context["series"].lines
        context["is_unused"] = not is_used
    status = 400 if query.problem else 200
    return page_or_fragment(request, _PAGE, _PANEL, context, status=status)


def _cost_panel(query: ChartQuery, scope: FleetScope, now: datetime) -> dict[str, Any]:
    series = fleet_series(scope.ids, query.filters())
    first_open_day = scope.first_open_day(now)
    url = reverse("billing:fleet")
    chart = cost_chart(
        series,
        currency=scope.currency,
        today=first_open_day,
        choice=line_choice(query, url, "#costs-panel"),
    )
    return {
        **chart_panel_context(query, url, series, chart),
        "currency": scope.currency,
        "zone": scope.zone_name,
    }


def _cards(scope: FleetScope, now: datetime) -> dict[str, Any]:
    """Return the template variables of all cards but the chart; about eight queries."""
    action = needs_action(scope.ids, now=now)
    unpriced = list_fleet_unpriced(scope.ids, limit=_MAX_SHOWN)
    totals = fleet_totals(scope.ids, before=scope.first_open_day(now))
    largest = list_top_spenders(scope.ids, limit=_MAX_SHOWN)
    trials = action.trials[:_MAX_SHOWN]
    in_trial = [row for row, _ in trials]
    rows: list[TopSpender | OrganizationInNeed] = [*largest, *in_trial]
    recent = recent_costs_by_day(
        {row.organization_id: scope.today_in(row.white_label_id, now) for row in rows}
    )
    return {
        "now": now,
        "totals": totals,
        "needs_action": action,
        "unpriced": unpriced,
        "trials": [
            {**entry, "ends_at": reason.at}
            for entry, (_, reason) in zip(
                _with_costs(in_trial, recent), trials, strict=True
            )
        ],
        "largest": sorted(
            _with_costs(largest, recent), key=lambda entry: -entry["recent"].cost
        ),
        "has_customers": totals.is_used or has_customers(scope.white_labels),
        **_freshness(scope, largest, now),
    }


def _freshness(
    scope: FleetScope, largest: Sequence[TopSpender], now: datetime
) -> dict[str, Any]:
    """Return the template variables of the card that shows how current the data is.

    Many pending changes make the page slow; a ranking that is more than a day old may
    show the largest organizations in the wrong order.
    """
    pending = count_pending(_MANY_CHANGES)
    ages = [
        (scope.today_in(row.white_label_id, now) - row.computed_on).days
        for row in largest
    ]
    return {
        "pending": pending,
        "is_late": pending >= _MANY_CHANGES,
        "ranked_at": max((row.computed_at for row in largest), default=None),
        "is_ranking_stale": max(ages, default=0) > 1,
    }


def _with_costs(
    rows: Sequence[TopSpender | OrganizationInNeed], recent: dict[int, RecentCost]
) -> list[dict[str, Any]]:
    return [
        {
            "row": row,
            "recent": recent[row.organization_id],
            "points": sparkline(recent[row.organization_id].by_day),
        }
        for row in rows
    ]
