"""Views of Stripe webhook events: their status, and resending or ignoring them."""

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
from billing.stripe.commands.webhook_events import queue
from billing.stripe.queries.webhook_events import (
    WebhookEventRow,
    get_webhook_event,
    list_webhook_events,
)
from billing.stripe.views.layout import page_context
from orgs.errors import Conflict, DomainError, NotFound
from orgs.models import WhiteLabel
from orgs.queue.enqueue import enqueue
from orgs.web.http import OrgRequest, page_or_fragment, wants_fragment

_PAGE = "billing/stripe/webhook_events.html"
_PANEL = "billing/stripe/_webhook_events.html"
_PAGE_SIZE = 50
_State = StripeEvent.State
# The value of the `state` parameter: the tab's label and the states that it lists.
_TABS = {
    "": ("Needs action", (_State.PARKED, _State.FAILED)),
    "queued": ("Queued", (_State.PENDING, _State.RUNNING)),
    "done": ("Done", (_State.DONE,)),
    "ignored": ("Ignored", (_State.IGNORED,)),
}


def webhook_events(request: OrgRequest) -> HttpResponse:
    """List the events of one tab, newest first, without their payloads."""
    staff = require_billing_read(request)
    context = _list_context(staff, request)
    if not wants_fragment(request):
        context |= page_context(staff, "webhook_events")
    return page_or_fragment(request, _PAGE, _PANEL, context)


@require_POST
def resend_event(request: OrgRequest, event_id: int) -> HttpResponse:
    """Queue an event that is parked, failed or ignored for processing again."""
    staff = require_billing_write(request)
    event = _get_event(staff, event_id)
    if not queue.resend(event_id):
        raise Conflict(
            "This event is already queued, in progress, or done.",
            code="event_not_ended",
        )
    enqueue(tasks.handle_event, event_id)
    messages.success(request, f"Queued {event.type} for reprocessing.")
    return _redirect_to_tab(request)


@require_POST
def ignore_event(request: OrgRequest, event_id: int) -> HttpResponse:
    """Mark an event that is parked or failed as needing no action."""
    staff = require_billing_write(request, needs_stripe=False)
    event = _get_event(staff, event_id)
    if not queue.ignore(event_id, by=staff.principal.name):
        raise Conflict("This event does not need action.", code="event_needs_no_action")
    messages.success(request, f"Ignored {event.type}.")
    return _redirect_to_tab(request)


def _get_event(staff: StaffContext, event_id: int) -> WebhookEventRow:
    event = get_webhook_event(event_id, _visible_white_labels(staff))
    if event is None:
        raise NotFound("Event not found.")
    return event


def _visible_white_labels(staff: StaffContext) -> list[WhiteLabel] | None:
    """Return the staff member's white labels; null means all, and events of none."""
    return None if staff.sees_all else staff.white_labels


def _redirect_to_tab(request: OrgRequest) -> HttpResponse:
    """Redirect to the tab that the button was on."""
    tab = request.POST.get("tab", "")
    return redirect(_url(tab if tab in _TABS else ""))


def _url(tab: str, **parameters: Any) -> str:
    base = reverse("billing:webhook_events")
    values = {"state": tab, **parameters}
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{base}?{query}" if query else base


def _list_context(staff: StaffContext, request: OrgRequest) -> dict[str, Any]:
    tab, before = request.GET.get("state", ""), request.GET.get("before", "")
    if tab not in _TABS:
        raise DomainError("Unknown status.", fields=("state",))
    # PostgreSQL refuses numbers above 2^63; 18 digits are below.
    if before and not (before.isascii() and before.isdigit() and len(before) < 19):  # noqa: PLR2004
        raise DomainError("Unknown page.", fields=("before",))
    rows = list_webhook_events(
        _visible_white_labels(staff),
        states=_TABS[tab][1],
        before=int(before) if before else None,
        limit=_PAGE_SIZE + 1,  # one more shows whether there is a next page
    )
    last_id = rows[_PAGE_SIZE - 1].id if len(rows) > _PAGE_SIZE else 0
    return {
        "staff": staff,
        "now": staff.now,
        "zone": staff.zone,
        "tab": tab,
        "rows": rows[:_PAGE_SIZE],
        "states": [
            {"label": label, "url": _url(slug), "current": slug == tab}
            for slug, (label, _) in _TABS.items()
        ],
        "first_url": _url(tab) if before else "",
        "next_url": _url(tab, before=last_id) if last_id else "",
    }
