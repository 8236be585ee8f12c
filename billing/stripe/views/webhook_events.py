"""The inbox: events of Stripe, what became of them, and who must look."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.models import InboxEvent
from billing.staff import Desk, enter, enter_to_act
from billing.stripe import tasks
from billing.stripe.commands.webhook_events import leases
from billing.stripe.queries.webhook_events import InboxRow, get_event, list_inbox
from billing.stripe.views.layout import page_context
from orgs.errors import Conflict, DomainError, NotFound
from orgs.models import WhiteLabel
from orgs.queue.enqueue import nudge
from orgs.web.http import OrgRequest, page_or_fragment, wants_fragment

_PAGE, _PANEL = (
    "billing/stripe/webhook_events.html",
    "billing/stripe/_webhook_events.html",
)
_SHOWN = 50
_State = InboxEvent.State
# In the address, on the tab, and which states that means.
_TABS = {
    "": ("Needs action", (_State.PARKED, _State.FAILED)),
    "waiting": ("Queued", (_State.PENDING, _State.RUNNING)),
    "done": ("Done", (_State.DONE,)),
    "ignored": ("Ignored", (_State.IGNORED,)),
}


def inbox(request: OrgRequest) -> HttpResponse:
    """Events in one kind of state, newest first; never what they carry."""
    desk = enter(request)
    context = _events(desk, request)
    if not wants_fragment(request):
        context |= page_context(desk, "inbox")
    return page_or_fragment(request, _PAGE, _PANEL, context)


@require_POST
def resend_event(request: OrgRequest, event_id: int) -> HttpResponse:
    """Handle a parked, failed or ignored event anew."""
    desk = enter_to_act(request)
    event = _found(desk, event_id)
    if not leases.resend(event_id):
        raise Conflict(
            "This event is already queued, in progress, or done.",
            code="event_not_ended",
        )
    nudge(tasks.handle_event, event_id)
    messages.success(request, f"Queued {event.type} for reprocessing.")
    return _back(request)


@require_POST
def ignore_event(request: OrgRequest, event_id: int) -> HttpResponse:
    """Nobody needs to look at it any more."""
    desk = enter_to_act(request, asks_stripe=False)
    event = _found(desk, event_id)
    if not leases.ignore(event_id, by=desk.principal.name):
        raise Conflict("This event does not need action.", code="event_not_needy")
    messages.success(request, f"Ignored {event.type}.")
    return _back(request)


def _found(desk: Desk, event_id: int) -> InboxRow:
    found = get_event(event_id, _seen(desk))
    if found is None:
        raise NotFound("Event not found.")
    return found


def _seen(desk: Desk) -> list[WhiteLabel] | None:
    return None if desk.sees_all else desk.white_labels


def _back(request: OrgRequest) -> HttpResponse:
    """To the tab it was asked from."""
    tab = request.POST.get("tab", "")
    return redirect(_url(tab if tab in _TABS else ""))


def _url(tab: str, **more: Any) -> str:
    base, query = reverse("billing:inbox"), {"state": tab, **more}
    kept = urlencode({name: value for name, value in query.items() if value})
    return f"{base}?{kept}" if kept else base


def _events(desk: Desk, request: OrgRequest) -> dict[str, Any]:
    tab, before = request.GET.get("state", ""), request.GET.get("before", "")
    if tab not in _TABS:
        raise DomainError("Unknown status.", fields=("state",))
    if before and not (before.isascii() and before.isdigit() and len(before) < 19):  # noqa: PLR2004
        raise DomainError("Unknown page.", fields=("before",))
    rows = list_inbox(
        _seen(desk),
        states=_TABS[tab][1],
        before=int(before) if before else None,
        limit=_SHOWN + 1,
    )
    more = rows[_SHOWN - 1].id if len(rows) > _SHOWN else 0
    return {
        "desk": desk,
        "now": desk.now,
        "zone": desk.zone,
        "tab": tab,
        "rows": rows[:_SHOWN],
        "states": [
            {"label": label, "url": _url(slug), "current": slug == tab}
            for slug, (label, _) in _TABS.items()
        ],
        "first_url": _url(tab) if before else "",
        "next_url": _url(tab, before=more) if more else "",
    }
