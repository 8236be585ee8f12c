"""Pages of the lines of a cost, and of the usage events of a day."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils import timezone

from billing.console.views.line_links import filter_links, neighbor_days
from billing.ledger.queries.cost_spans import CostSpan
from metrics.catalog import METERS
from metrics.line_forms import (
    NO_PROJECT,
    last_days,
    read_day_events,
    read_line_filters,
    read_number,
    today_of,
)
from metrics.periods import DayRange
from metrics.queries.cost_lines import LINES_PER_PAGE, LineFilters, list_cost_lines
from metrics.queries.cost_parts import list_project_names
from metrics.queries.day_events import EVENTS_PER_PAGE, DayEvents, list_day_events
from metrics.queries.periods import current_period
from orgs import access
from orgs.catalog import Scope
from orgs.days import ONE_DAY
from orgs.errors import InvalidDateRange
from orgs.models import Organization
from orgs.web.http import OrgRequest, page_or_fragment

_LINES = "billing/console/cost_lines.html", "billing/console/_cost_lines_panel.html"
_EVENTS = "billing/console/day_events.html", "billing/console/_day_events_panel.html"
_MAX_PAGE = 10_000


def cost_lines(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Show the lines of a cost, quantity x unit price, by day, product, and project.

    `from` and `through` choose the days, or `period` a billing period; `product`,
    `meter`, and `project` narrow them. Invalid parameters answer 400 with the reason.
    """
    organization = _organization(request, organization_id)
    problem, status = "", 200
    try:
        filters, page = read_line_filters(request.GET, organization), _page(request.GET)
    except InvalidDateRange as error:
        problem, status = error.message, 400
        filters, page = LineFilters(last_days(organization)), 1
    lines = list_cost_lines(organization.pk, filters, page=page)
    url = reverse("billing:cost_lines", args=[organization.pk])
    pages = max(-(-lines.count // LINES_PER_PAGE), 1)
    names = _names(organization, filters, [x.project_id for x in lines.lines])
    is_one_day = filters.period is None and filters.days.days == 1
    context = {
        **_base_context(organization, "costs"),
        "problem": problem,
        "lines": [_line(line, organization) for line in lines.lines],
        "names": names,
        "filters": filters,
        "filter_links": filter_links(url, request.GET, filters, names),
        "days": neighbor_days(
            url,
            request.GET,
            filters.days.start,
            today_of(organization),
            *("from", "through"),
        )
        if is_one_day
        else [],
        "range_label": CostSpan(filters.days).label,
        "count": lines.count,
        "cost": lines.cost,
        "previous_url": _url(url, request.GET, page=page - 1) if page > 1 else "",
        "next_url": _url(url, request.GET, page=page + 1) if page < pages else "",
        "page_text": f"Page {page} of {pages}",
    }
    return page_or_fragment(request, *_LINES, context, status=status)


def day_events(request: OrgRequest, organization_id: int) -> HttpResponse:
    """List the usage events of a day, oldest first, with a link that voids each.

    `q` is the beginning of an event's ID; `product` and `project` narrow the list.
    """
    organization = _organization(request, organization_id)
    problem, status = "", 200
    try:
        chosen = read_day_events(request.GET, organization)
    except InvalidDateRange as error:
        problem, status = error.message, 400
        chosen = DayEvents(today_of(organization))
    rows = list_day_events(organization, chosen)
    shown, url = rows[:EVENTS_PER_PAGE], _events_url(organization)
    last = shown[-1] if len(rows) > len(shown) else None
    after = {"after": last.at.isoformat(), "after_id": last.event_id} if last else {}
    days = DayRange(chosen.day, chosen.day + ONE_DAY)
    filters = LineFilters(days, product=chosen.product, project_id=chosen.project_id)
    names = _names(organization, filters, [e.project_id for e in shown])
    today = today_of(organization)
    context = {
        **_base_context(organization, "costs"),
        "problem": problem,
        "events": shown,
        "names": names,
        "chosen": chosen,
        "filter_links": filter_links(url, request.GET, filters, names),
        "days": neighbor_days(url, request.GET, chosen.day, today, "day"),
        "lines_url": _lines_url(organization, chosen),
        "project": request.GET.get("project", ""),
        "events_url": url,
        "first_url": _first_url(url, request.GET) if chosen.after else "",
        "next_url": _url(url, request.GET, **after) if last else "",
    }
    return page_or_fragment(request, *_EVENTS, context, status=status)


def _organization(request: OrgRequest, organization_id: int) -> Organization:
    principal = access.principal_of(request.user)
    principal.require(Scope.BILLING_READ)
    return access.get_organization(principal, organization_id, include_deleted=True)


def _base_context(organization: Organization, tab: str) -> dict[str, Any]:
    label = organization.white_label
    return {
        "organization": organization,
        "period": current_period(organization.pk),
        "currency": label.currency,
        "zone": label.time_zone,
        "tab": tab,
        "nav_key": "organizations",
        "as_of": timezone.now(),
    }


def _page(query: QueryDict) -> int:
    return read_number(query, "page", _MAX_PAGE) or 1


def _names(
    organization: Organization, filters: LineFilters, ids: list[int]
) -> dict[int, str]:
    chosen = [] if filters.project_id is None else [filters.project_id]
    return list_project_names(organization.pk, [*ids, *chosen])


def _lines_url(organization: Organization, chosen: DayEvents) -> str:
    """Return the address of what the events cost."""
    day = chosen.day.isoformat()
    project = NO_PROJECT if chosen.project_id == 0 else chosen.project_id
    query = {"from": day, "through": day, "product": chosen.product, "project": project}
    url = reverse("billing:cost_lines", args=[organization.pk])
    return f"{url}?{urlencode({k: v for k, v in query.items() if v})}"


def _line(line: Any, organization: Organization) -> Any:
    """Return a line with the link to its events; stored bytes have none."""
    meter = METERS.get(line.meter)
    if meter and meter.derived:
        return {"row": line, "events_url": ""}
    query = {
        "day": line.day.isoformat(),
        "product": line.product,
        "project": line.project_id or NO_PROJECT,
    }
    return {
        "row": line,
        "events_url": f"{_events_url(organization)}?{urlencode(query)}",
    }


def _events_url(organization: Organization) -> str:
    return reverse("billing:day_events", args=[organization.pk])


def _first_url(url: str, query: QueryDict) -> str:
    other_parameters = [
        (k, v) for k, v in query.items() if k not in {"after", "after_id"}
    ]
    return f"{url}?{urlencode(other_parameters)}"


def _url(url: str, query: QueryDict, **changes: object) -> str:
    return f"{url}?{urlencode({**query.dict(), **changes})}"
