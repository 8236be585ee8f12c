"""The page of the organizations that need action, and its CSV file."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.urls import reverse

from billing.needs_action.forms import read_need_filters
from billing.needs_action.kinds import GROUP_LABELS, Severity
from billing.needs_action.queries.pages import needs_page
from billing.needs_action.queries.scores import NeedCounts
from billing.staff import require_billing_read
from orgs.schemas.exports import EXCEL
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "billing/needs_action/needs_action.html"
_PANEL = "billing/needs_action/_needs_action.html"
_PAGE_SIZE = 50
_PARAMETERS = ("white_label", "reason", "severity", "snoozed")


def needs_action_page(request: OrgRequest) -> HttpResponse:
    """List the organizations that need action, with the filters of the address."""
    staff = require_billing_read(request)
    labels = staff.selected_white_labels(request.GET)
    filters = read_need_filters(request.GET)
    page = needs_page(
        [label.pk for label in labels],
        filters=filters,
        cursor=request.GET.get("cursor") or None,
        size=_PAGE_SIZE,
        scope=f"{staff.principal.name}:{_query(request)}",
        now=staff.now,
    )
    by_id = {label.pk: label for label in labels}
    context = {
        "nav_key": "needs_action",
        "staff": staff,
        "now": staff.now,
        "rows": [
            {"row": row, "label": by_id[row.white_label_id]}
            for row in page.organizations
        ],
        "filters": filters,
        "total": page.counts.selected,
        "is_capped": bool(page.counts.capped),
        "tabs": _tabs(request, page.counts),
        "severities": _severities(request, page.counts),
        "snoozed": _snoozed(request, page.counts),
        "selected": {name: request.GET.get(name, "") for name in _PARAMETERS},
        "first_url": _url(request) if request.GET.get("cursor") else "",
        "next_url": _url(request, cursor=page.next_cursor or ""),
        "csv_url": _url(request, "billing:needs_action_csv", **{"for": EXCEL}),
        "is_filtered": bool(_query(request)),
    }
    if not page.next_cursor:
        context["next_url"] = ""
    return page_or_fragment(request, _PAGE, _PANEL, context)


def _query(request: OrgRequest, **changes: str) -> str:
    values = {name: request.GET.get(name, "") for name in _PARAMETERS} | changes
    return urlencode({name: value for name, value in values.items() if value})


def _url(
    request: OrgRequest, name: str = "billing:needs_action", **changes: str
) -> str:
    query = _query(request, **changes)
    return f"{reverse(name)}?{query}" if query else reverse(name)


def _tabs(request: OrgRequest, counts: NeedCounts) -> list[dict[str, Any]]:
    """Return the groups of reasons with their counts; other filters are kept."""
    current = request.GET.get("reason", "")
    tabs = [("", "All", counts.total)]
    tabs += [
        (group.value, label, counts.groups[group])
        for group, label in GROUP_LABELS.items()
    ]
    return [
        {
            "label": label,
            "url": _url(request, reason=slug),
            "current": slug == current,
            "count": str(count) if count.number else "",
        }
        for slug, label, count in tabs
    ]


def _severities(request: OrgRequest, counts: NeedCounts) -> list[dict[str, Any]]:
    current = request.GET.get("severity", "")
    options = [("", "Any severity", "")]
    options += [
        (severity.value, severity.title(), str(counts.severities[severity]))
        for severity in Severity
    ]
    return [
        {
            "label": label,
            "url": _url(request, severity=slug),
            "current": slug == current,
            "count": "" if count == "0" else count,
        }
        for slug, label, count in options
    ]


def _snoozed(request: OrgRequest, counts: NeedCounts) -> dict[str, Any]:
    """Return the link to the snoozed reasons, or back to the open ones."""
    is_current = request.GET.get("snoozed") == "1"
    return {
        "count": counts.snoozed,
        "is_current": is_current,
        "url": _url(request, snoozed="" if is_current else "1"),
    }
