"""The inbox: events of Stripe, what became of them, and who must look."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.models import StripeEvent
from billing.staff import StaffContext, require_billing_read, require_billing_write
from billing.stripe import tasks
from billing.stripe.commands.webhook_events import leases
from billing.stripe.queries.webhook_events import (
    EventRow,
    get_event,
    list_webhook_events,
)
from billing.stripe.views.layout import page_context
from orgs.errors import Conflict, DomainError, NotFound
from orgs.models import WhiteLabel
from orgs.queue.enqueue import enqueue
from orgs.web.http import OrgRequest, page_or_fragment, wants_fragment

_PAGE, _PANEL = (
    "billing/stripe/webhook_events.html",
    "billing/stripe/_webhook_events.html",
)
_SHOWN = 50
_State = StripeEvent.State
# In the address, on the tab, and which states that means.
_TABS = {
    "": ("Needs action", (_State.PARKED, _State.FAILED)),
    "waiting": ("Queued", (_State.PENDING, _State.RUNNING)),
    "done": ("Done", (_State.DONE,)),
    "ignored": ("Ignored", (_State.IGNORED,)),
}


def webhook_events(request: OrgRequest) -> HttpResponse:
    """Events in one kind of state, newest first; never what they carry."""
    staff = require_billing_read(request)
    context = _events(staff, request)
    if not wants_fragment(request):
        context |= page_context(staff, "webhook_events")
    return page_or_fragment(request, _PAGE, _PANEL, context)


@require_POST
def resend_event(request: OrgRequest, event_id: int) -> HttpResponse:
    """Handle a parked, failed or ignored event anew."""
    staff = require_billing_write(request)
    event = _found(staff, event_id)
    if not leases.resend(event_id):
        raise Conflict(
            "This event is already queued, in progress, or done.",
            code="event_not_ended",
        )
    enqueue(tasks.handle_event, event_id)
    messages.success(request, f"Queued {event.type} for reprocessing.")
    return _back(request)


@require_POST
def ignore_event(request: OrgRequest, event_id: int) -> HttpResponse:
    """Nobody needs to look at it any more."""
    staff = require_billing_write(request, asks_stripe=False)
    event = _found(staff, event_id)
    if not leases.ignore(event_id, by=staff.principal.name):
        raise Conflict("This event does not need action.", code="event_not_needy")
    messages.success(request, f"Ignored {event.type}.")
    return _back(request)


def _found(staff: StaffContext, event_id: int) -> EventRow:
    found = get_event(event_id, _seen(staff))
    if found is None:
        raise NotFound("Event not found.")
    return found


def _seen(staff: StaffContext) -> list[WhiteLabel] | None:
    return None if staff.sees_all else staff.white_labels


def _back(request: OrgRequest) -> HttpResponse:
    """To the tab it was asked from."""
    tab = request.POST.get("tab", "")
    return redirect(_url(tab if tab in _TABS else ""))


def _url(tab: str, **more: Any) -> str:
    base, query = reverse("billing:webhook_events"), {"state": tab, **more}
    kept = urlencode({name: value for name, value in query.items() if value})
    return f"{base}?{kept}" if kept else base


def _events(staff: StaffContext, request: OrgRequest) -> dict[str, Any]:
    tab, before = request.GET.get("state", ""), request.GET.get("before", "")
    if tab not in _TABS:
        raise DomainError("Unknown status.", fields=("state",))
    if before and not (before.isascii() and before.isdigit() and len(before) < 19):  # noqa: PLR2004
        raise DomainError("Unknown page.", fields=("before",))
    rows = list_webhook_events(
        _seen(staff),
        states=_TABS[tab][1],
        before=int(before) if before else None,
        limit=_SHOWN + 1,
    )
    more = rows[_SHOWN - 1].id if len(rows) > _SHOWN else 0
    return {
        "staff": staff,
        "now": staff.now,
        "zone": staff.zone,
        "tab": tab,
        "rows": rows[:_SHOWN],
        "states": [
            {"label": label, "url": _url(slug), "current": slug == tab}
            for slug, (label, _) in _TABS.items()
        ],
        "first_url": _url(tab) if before else "",
        "next_url": _url(tab, before=more) if more else "",
    }
