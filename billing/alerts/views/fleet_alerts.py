"""Alerts of all organizations by the delivery state of their emails."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.urls import reverse

from billing.alerts.kinds import ALERT_KINDS
from billing.alerts.queries.history import MAX_COUNT, count_unsent, list_fleet_alerts
from billing.alerts.views.email_previews import may_preview
from billing.models import Alert
from billing.staff import require_billing_read
from orgs.access.permissions import row_id
from orgs.errors import DomainError
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE, _PANEL = "billing/alerts/fleet_alerts.html", "billing/alerts/_fleet_alerts.html"
_PAGE_SIZE, _LONGEST_SEARCH = 50, 200
_State = Alert.State
# By value of the URL parameter: the label of the tab, and its states.
_TABS = {
    "failed": ("Failed", (_State.FAILED,)),
    "no_recipient": ("No recipients", (_State.NO_RECIPIENT,)),
    "open": ("Sending", (_State.PENDING, _State.SENDING)),
    "sent": ("Sent", (_State.SENT,)),
    "suppressed": ("Not sent", (_State.SUPPRESSED,)),
}


def fleet_alerts(request: OrgRequest) -> HttpResponse:
    """List the alerts of one tab, newest first, filtered by kind and organization.

    Without `state` it is the first tab that has alerts: what failed comes first.
    """
    staff = require_billing_read(request)
    labels = {label.pk: label for label in staff.white_labels}
    counts = count_unsent(list(labels))
    filters = _read_filters(request.GET, counts)
    before = row_id(request.GET.get("before", ""))
    rows = list_fleet_alerts(
        list(labels),
        states=_TABS[filters.tab][1],
        kind=filters.kind,
        search=filters.search,
        before=before or None,
        limit=_PAGE_SIZE + 1,
    )
    for row in rows:
        row.organization.white_label = labels[row.organization.white_label_id]
    context = {
        "nav_key": "alerts",
        "may_preview": may_preview(staff.principal, request.user),
        "zone": staff.zone,
        "filters": filters,
        "kinds": [(kind.slug, kind.label) for kind in ALERT_KINDS.values()],
        "rows": rows[:_PAGE_SIZE],
        "states": [
            {
                "label": _tab_label(
                    label, sum(counts.get(state, 0) for state in states)
                ),
                "url": filters.url(tab=slug),
                "current": slug == filters.tab,
            }
            for slug, (label, states) in _TABS.items()
        ],
        "first_url": filters.url() if before else "",
        "next_url": filters.url(before=rows[_PAGE_SIZE - 1].pk)
        if rows[_PAGE_SIZE:]
        else "",
    }
    return page_or_fragment(request, _PAGE, _PANEL, context)


def _tab_label(label: str, count: int) -> str:
    if not count:
        return label
    return f"{label} {MAX_COUNT}+" if count >= MAX_COUNT else f"{label} {count}"


@dataclass(frozen=True, slots=True)
class _Filters:
    """Which alerts are listed, from the URL."""

    tab: str
    kind: str = ""
    search: str = ""

    def url(self, *, tab: str = "", before: int = 0) -> str:
        """Return the address of these alerts, of another tab, or of older ones."""
        query: dict[str, object] = {"state": tab or self.tab, "kind": self.kind}
        query |= {"q": self.search, "before": before}
        given = {name: value for name, value in query.items() if value}
        return f"{reverse('billing:fleet_alerts')}?{urlencode(given)}"


def _read_filters(query: QueryDict, counts: Mapping[str, int]) -> _Filters:
    tab, kind = query.get("state", "") or _first_tab(counts), query.get("kind", "")
    if tab not in _TABS:
        message = f"Unknown state. Use one of: {', '.join(_TABS)}."
        raise DomainError(message, fields=("state",))
    if kind and kind not in ALERT_KINDS:
        raise DomainError("Unknown kind of alert.", fields=("kind",))
    search = query.get("q", "").replace("\x00", "")[:_LONGEST_SEARCH]
    return _Filters(tab, kind, search)


def _first_tab(counts: Mapping[str, int]) -> str:
    """Return the first tab with alerts; that of the sent ones if nothing is open."""
    has_alerts = (
        tab for tab, (_, states) in _TABS.items() if any(map(counts.get, states))
    )
    return next(has_alerts, "sent")
