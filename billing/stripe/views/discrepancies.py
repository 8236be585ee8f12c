"""Views of discrepancies: values in Orgdesk and in Stripe, and resolving them."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.models import Discrepancy
from billing.staff import StaffContext, require_billing_read, require_billing_write
from billing.stripe import tasks
from billing.stripe.commands import resolution
from billing.stripe.queries.discrepancies import (
    DiscrepancyRow,
    get_discrepancy,
    list_discrepancies,
    list_run_discrepancies,
)
from billing.stripe.queries.sync_runs import get_sync
from billing.stripe.views.layout import page_context
from orgs.errors import Conflict, DomainError, NotFound
from orgs.models import WhiteLabel
from orgs.queue.enqueue import enqueue
from orgs.web.http import OrgRequest, page_or_fragment, wants_fragment

_PAGE = "billing/stripe/discrepancies.html"
_PANEL = "billing/stripe/_discrepancies.html"
_ROW = "billing/stripe/_discrepancy_row.html"
_MAX_POLLS = 12  # of a row while its discrepancy is being resolved, one a second
_MAX_ROWS = 200


def discrepancies(request: OrgRequest) -> HttpResponse:
    """List open or resolved discrepancies, or those of one run, warnings apart."""
    staff = require_billing_read(request)
    context = _list_context(staff, request)
    if not wants_fragment(request):
        context |= page_context(staff, "discrepancies")
    return page_or_fragment(request, _PAGE, _PANEL, context)


def discrepancy_row(request: OrgRequest, discrepancy_id: int) -> HttpResponse:
    """Return a table row that polls this view until its discrepancy is resolved.

    The address carries the number of polls left, so that a row stops polling when no
    worker is running. Opened as a page it redirects to the list.
    """
    staff = require_billing_read(request)
    row = _get_row(staff, discrepancy_id)
    if not wants_fragment(request):
        return redirect("billing:discrepancies")
    text = request.GET.get("polls_left", "")
    polls = int(text) if text.isascii() and text.isdigit() else 0
    polls_left = max(min(polls, _MAX_POLLS) - 1, 0)
    return _render_row(request, staff, row, polls_left=polls_left)


@require_POST
def resolve_discrepancy(request: OrgRequest, discrepancy_id: int) -> HttpResponse:
    """Have a worker read the object from Stripe again and save its values."""
    staff = require_billing_write(request)
    row = _get_row(staff, discrepancy_id)
    if row.is_warning:
        raise Conflict(
            "Warnings must be resolved manually.", code="discrepancy_is_warning"
        )
    enqueue(tasks.resolve_discrepancy, discrepancy_id, staff.principal.name)
    if wants_fragment(request):
        return _render_row(request, staff, row, polls_left=_MAX_POLLS)
    messages.info(request, f"Resolving {row.stripe_id}.")
    return redirect("billing:discrepancies")


@require_POST
def resolve_all_discrepancies(request: OrgRequest, white_label_id: int) -> HttpResponse:
    """Start a sync run that resolves the discrepancies it finds, and show it."""
    staff = require_billing_write(request)
    label = staff.white_label(white_label_id)
    run = resolution.resolve_all(label, by=staff.principal.name)
    enqueue(tasks.run_sync, run.pk)
    messages.info(request, f"Started a sync of {label.name} to resolve discrepancies.")
    return redirect("billing:stripe_sync")


def _get_row(staff: StaffContext, discrepancy_id: int) -> DiscrepancyRow:
    row = get_discrepancy(
        discrepancy_id, staff.white_labels, include_unassigned=staff.sees_all
    )
    if row is None:
        raise NotFound("Discrepancy not found.")
    return row


def _render_row(
    request: OrgRequest, staff: StaffContext, row: DiscrepancyRow, *, polls_left: int
) -> HttpResponse:
    is_open = row.resolved_at is None
    context = {
        "staff": staff,
        "row": row,
        "polls_left": polls_left if is_open else 0,
        "was_requested": True,
        "zone": staff.zone,
    }
    response = page_or_fragment(request, _ROW, _ROW, context)
    if not is_open:
        # An organization's billing tab reloads itself on this event.
        response["HX-Trigger"] = "discrepancy-resolved"
    return response


def _list_context(staff: StaffContext, request: OrgRequest) -> dict[str, Any]:
    """Return the list that the query string selects, and its filters."""
    labels = staff.selected_white_labels(request.GET)
    kind = request.GET.get("kind", "")
    if kind and kind not in Discrepancy.Kind.values:
        raise DomainError("Unknown discrepancy type.", fields=("kind",))
    is_resolved = request.GET.get("resolved") == "1"
    run_id = _read_run_id(staff, request.GET.get("run", ""))
    if run_id:
        rows = [row for row in list_run_discrepancies(run_id) if _may_see(staff, row)]
    else:
        rows = list_discrepancies(
            labels,
            include_unassigned=_is_unrestricted(staff, labels),
            resolved=is_resolved,
            kinds=[kind] if kind else [],
            limit=_MAX_ROWS,
        )
    return {
        "staff": staff,
        "now": staff.now,
        "zone": staff.zone,
        "run_id": run_id,
        "is_resolved": is_resolved,
        "is_filtered": bool(kind or run_id or request.GET.get("white_label")),
        "discrepancies": [row for row in rows if not row.is_warning],
        "warnings": [row for row in rows if row.is_warning],
        "row_limit": _MAX_ROWS if len(rows) == _MAX_ROWS else 0,
        "resolvable_labels": (
            [] if is_resolved or run_id else _resolvable_labels(labels, rows)
        ),
        "filters": _filters(staff, request, kind),
        "states": _states(request, is_resolved=is_resolved),
    }


def _is_unrestricted(staff: StaffContext, labels: list[WhiteLabel]) -> bool:
    return staff.sees_all and len(labels) == len(staff.white_labels)


def _may_see(staff: StaffContext, row: DiscrepancyRow) -> bool:
    """Return whether a discrepancy of a run belongs to a visible white label.

    The run of a white label also finds customers that belong to no organization.
    """
    if row.white_label_id is None:
        return staff.sees_all
    return row.white_label_id in {label.pk for label in staff.white_labels}


def _read_run_id(staff: StaffContext, text: str) -> int | None:
    """Return the ID of a visible sync run; raises `NotFound` for any other."""
    if not text:
        return None
    # PostgreSQL refuses numbers above 2^63; 18 digits are below.
    id_ = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0  # noqa: PLR2004
    if get_sync(id_, staff.white_labels) is None:
        raise NotFound("Sync run not found.")
    return id_


def _resolvable_labels(
    labels: list[WhiteLabel], rows: list[DiscrepancyRow]
) -> list[WhiteLabel]:
    """Return the white labels with a discrepancy that a sync can resolve."""
    ids = {row.white_label_id for row in rows if row.can_resolve}
    return [label for label in labels if label.pk in ids]


def _filters(staff: StaffContext, request: OrgRequest, kind: str) -> dict[str, Any]:
    return {
        "white_label": request.GET.get("white_label", ""),
        "white_labels": staff.white_labels,
        "kind": kind,
        "kinds": Discrepancy.Kind.choices,
    }


def _states(request: OrgRequest, *, is_resolved: bool) -> list[dict[str, Any]]:
    """Return the links to open and to resolved discrepancies with the same filters."""
    filters = {
        name: value
        for name in ("white_label", "kind")
        if (value := request.GET.get(name))
    }
    base = reverse("billing:discrepancies")

    def url(**parameters: str) -> str:
        query = urlencode(filters | parameters)
        return f"{base}?{query}" if query else base

    return [
        {"label": "Open", "url": url(), "current": not is_resolved},
        {"label": "Resolved", "url": url(resolved="1"), "current": is_resolved},
    ]
