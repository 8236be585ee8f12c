"""Pages of the lines of a cost, and of the usage events of a day."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils import timezone

from billing.ledger.queries.cost_spans import CostSpan
from metrics.periods import DayRange
from metrics.queries.cost_lines import LINES_PER_PAGE, LineFilters, list_cost_lines
from metrics.queries.cost_parts import list_project_names
from metrics.queries.day_events import EVENTS_PER_PAGE, DayEvents, list_day_events
from metrics.queries.periods import current_period
from orgs import access
from orgs.catalog import Scope
from orgs.days import ONE_DAY, day_of, parse_instant
from orgs.errors import InvalidDateRange
from orgs.models import Organization
from orgs.web.http import OrgRequest, page_or_fragment

_LINES = "billing/console/cost_lines.html", "billing/console/_cost_lines_panel.html"
_EVENTS = "billing/console/day_events.html", "billing/console/_day_events_panel.html"
_UTC = ZoneInfo("UTC")
_NO_PROJECT = "none"
_MAX_PAGE = 10_000
_MAX_NUMBER = 2**31 - 1
_MAX_ID = 2**63 - 1


def cost_lines(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Show the lines of a cost, quantity x unit price, by day, product, and project.

    `from` and `through` choose the days, or `period` a billing period; `product`,
    `meter`, and `project` narrow them. Invalid parameters answer 400 with the reason.
    """
    organization = _organization(request, organization_id)
    problem, status = "", 200
    try:
        filters, page = _read_filters(request.GET, organization), _page(request.GET)
    except InvalidDateRange as error:
        problem, status = error.message, 400
        filters, page = LineFilters(_last_days(organization)), 1
    lines = list_cost_lines(organization.pk, filters, page=page)
    url = reverse("billing:cost_lines", args=[organization.pk])
    pages = max(-(-lines.count // LINES_PER_PAGE), 1)
    context = {
        **_base_context(organization, "costs"),
        "problem": problem,
        "lines": [_line(line, filters, organization) for line in lines.lines],
        "names": _names(organization, filters, [x.project_id for x in lines.lines]),
        "filters": filters,
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
        chosen = _read_events(request.GET, organization)
    except InvalidDateRange as error:
        problem, status = error.message, 400
        chosen = DayEvents(_today(organization))
    rows = list_day_events(organization, chosen)
    shown, url = rows[:EVENTS_PER_PAGE], _events_url(organization)
    last = shown[-1] if len(rows) > len(shown) else None
    after = {"after": last.at.isoformat(), "after_id": last.event_id} if last else {}
    context = {
        **_base_context(organization, "costs"),
        "problem": problem,
        "events": shown,
        "names": list_project_names(organization.pk, [e.project_id for e in shown]),
        "chosen": chosen,
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


def _today(organization: Organization) -> date:
    return day_of(timezone.now(), organization.white_label.zone)


def _last_days(organization: Organization) -> DayRange:
    end = _today(organization) + ONE_DAY
    return DayRange(end - 30 * ONE_DAY, end)


def _read_filters(query: QueryDict, organization: Organization) -> LineFilters:
    days = _last_days(organization)
    if query.get("from") or query.get("through"):
        first, last = _day(query, "from"), _day(query, "through")
        days = DayRange(first, last + ONE_DAY)
    return LineFilters(
        days,
        period=_number(query, "period", _MAX_NUMBER),
        product=query.get("product") or None,
        meter=query.get("meter") or None,
        project_id=_project(query),
    )


def _read_events(query: QueryDict, organization: Organization) -> DayEvents:
    day = _day(query, "day") if query.get("day") else _today(organization)
    chosen = DayEvents(
        day, query.get("product") or None, _project(query), query.get("q", "").strip()
    )
    if not query.get("after"):
        return chosen
    return replace(chosen, after=(_instant(query), query.get("after_id", "")))


def _day(query: QueryDict, name: str) -> date:
    try:
        day = date.fromisoformat(query.get(name, ""))
        _ = DayRange(day, day + ONE_DAY)  # within the years that have days
        return day
    except (ValueError, OverflowError, InvalidDateRange):
        raise InvalidDateRange(
            f"“{name}” must be a date such as 2026-11-21.", fields=(name,)
        ) from None


def _instant(query: QueryDict) -> datetime:
    try:
        return parse_instant(query.get("after", ""), _UTC)
    except ValueError:
        raise InvalidDateRange("“after” must be a time.", fields=("after",)) from None


def _project(query: QueryDict) -> int | None:
    """Return the project that is chosen: 0 is usage without one, None is all usage."""
    if query.get("project") == _NO_PROJECT:
        return 0
    return _number(query, "project", _MAX_ID)


def _number(query: QueryDict, name: str, highest: int) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) < len(str(_MAX_ID))
    if not is_number or not 0 < int(text) <= highest:
        raise InvalidDateRange(f"“{name}” must be a number.", fields=(name,))
    return int(text)


def _page(query: QueryDict) -> int:
    return _number(query, "page", _MAX_PAGE) or 1


def _names(
    organization: Organization, filters: LineFilters, ids: list[int]
) -> dict[int, str]:
    chosen = [] if filters.project_id is None else [filters.project_id]
    return list_project_names(organization.pk, [*ids, *chosen])


def _line(line: Any, filters: LineFilters, organization: Organization) -> Any:
    """Return a line with the link to its events; stored bytes have none."""
    query = {
        "day": line.day.isoformat(),
        "product": line.product,
        "project": line.project_id or _NO_PROJECT,
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
