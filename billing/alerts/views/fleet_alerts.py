"""Alerts of all organizations by the delivery state of their emails."""

from django.http import HttpResponse
from django.urls import reverse

from billing.alerts.queries.history import MAX_COUNT, count_unsent, list_fleet_alerts
from billing.alerts.views.email_previews import may_preview
from billing.models import Alert
from billing.staff import require_billing_read
from orgs.access.permissions import row_id
from orgs.errors import DomainError
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE, _PANEL = "billing/alerts/fleet_alerts.html", "billing/alerts/_fleet_alerts.html"
_PAGE_SIZE = 50
_State = Alert.State
# By value of the URL parameter: the label of the tab, and its states.
_TABS = {
    "": ("Failed", (_State.FAILED,)),
    "no_recipient": ("No recipients", (_State.NO_RECIPIENT,)),
    "open": ("Sending", (_State.PENDING, _State.SENDING)),
    "sent": ("Sent", (_State.SENT,)),
    "suppressed": ("Not sent", (_State.SUPPRESSED,)),
}


def fleet_alerts(request: OrgRequest) -> HttpResponse:
    """List the alerts of one tab, newest first."""
    staff = require_billing_read(request)
    tab = request.GET.get("state", "")
    if tab not in _TABS:
        values = ", ".join(filter(None, _TABS))
        message = (
            f"Unknown state. Use one of: {values}; leave it out for failed alerts."
        )
        raise DomainError(message, fields=("state",))
    before = row_id(request.GET.get("before", ""))
    labels = {label.pk: label for label in staff.white_labels}
    rows = list_fleet_alerts(
        list(labels), states=_TABS[tab][1], before=before or None, limit=_PAGE_SIZE + 1
    )
    for row in rows:
        row.organization.white_label = labels[row.organization.white_label_id]
    counts = count_unsent(list(labels))
    context = {
        "nav_key": "alerts",
        "may_preview": may_preview(staff.principal, request.user),
        "zone": staff.zone,
        "tab": tab,
        "csv_state": tab or "failed",
        "rows": rows[:_PAGE_SIZE],
        "states": [
            {
                "label": _tab_label(
                    label, sum(counts.get(state, 0) for state in states)
                ),
                "url": _url(slug),
                "current": slug == tab,
            }
            for slug, (label, states) in _TABS.items()
        ],
        "first_url": _url(tab) if before else "",
        "next_url": _url(tab, rows[_PAGE_SIZE - 1].pk) if rows[_PAGE_SIZE:] else "",
    }
    return page_or_fragment(request, _PAGE, _PANEL, context)


def _tab_label(label: str, count: int) -> str:
    if not count:
        return label
    return f"{label} {MAX_COUNT}+" if count >= MAX_COUNT else f"{label} {count}"


def _url(tab: str, before: int = 0) -> str:
    query = [f"state={tab}"] if tab else []
    query += [f"before={before}"] if before else []
    base = reverse("billing:fleet_alerts")
    return f"{base}?{'&'.join(query)}" if query else base
