"""Discrepancy: what we say, what Stripe says, and healing it."""

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

_PAGE, _PANEL = (
    "billing/stripe/discrepancies.html",
    "billing/stripe/_discrepancies.html",
)
_ROW = "billing/stripe/_discrepancy_row.html"
_POLLS = 12  # of a row whose discrepancy is being resolved, one a second
SHOWN = 200


def discrepancies(request: OrgRequest) -> HttpResponse:
    """Differences that last, warnings apart; or those of a run, or those healed."""
    staff = require_billing_read(request)
    context = _drifts(staff, request)
    if not wants_fragment(request):
        context |= page_context(staff, "discrepancies")
    return page_or_fragment(request, _PAGE, _PANEL, context)


def discrepancy_row(request: OrgRequest, discrepancy_id: int) -> HttpResponse:
    """A row that is being healed, until it is; as a page, the report."""
    staff = require_billing_read(request)
    row = _found(staff, discrepancy_id)
    if not wants_fragment(request):
        return redirect("billing:discrepancies")
    polls_left = request.GET.get("polls_left", "")
    left = (
        min(int(polls_left), _POLLS) - 1
        if polls_left.isascii() and polls_left.isdigit()
        else 0
    )
    return _row(request, staff, row, polls_left=max(left, 0), was_asked=True)


@require_POST
def resolve_discrepancy(request: OrgRequest, discrepancy_id: int) -> HttpResponse:
    """Have Stripe asked again and its answer written, by a worker."""
    staff = require_billing_write(request)
    row = _found(staff, discrepancy_id)
    if row.is_warning:
        raise Conflict(
            "Warnings must be resolved manually.", code="discrepancy_is_warning"
        )
    enqueue(tasks.resolve_discrepancy, discrepancy_id, staff.principal.name)
    if wants_fragment(request):
        return _row(request, staff, row, polls_left=_POLLS, was_asked=True)
    messages.info(request, f"Resolving {row.stripe_id}.")
    return redirect("billing:discrepancies")


@require_POST
def resolve_all_discrepancies(request: OrgRequest, white_label_id: int) -> HttpResponse:
    """A run that heals what it finds; it is watched on the syncs' page."""
    staff = require_billing_write(request)
    label = staff.white_label(white_label_id)
    run = resolution.resolve_all(label, by=staff.principal.name)
    enqueue(tasks.run_sync, run.pk)
    messages.info(request, f"Started a sync of {label.name} to resolve discrepancies.")
    return redirect("billing:stripe_sync")


def _found(staff: StaffContext, discrepancy_id: int) -> DiscrepancyRow:
    found = get_discrepancy(
        discrepancy_id, staff.white_labels, with_nobodys=staff.sees_all
    )
    if found is None:
        raise NotFound("Discrepancy not found.")
    return found


def _row(
    request: OrgRequest,
    staff: StaffContext,
    row: DiscrepancyRow,
    *,
    polls_left: int,
    was_asked: bool,
) -> HttpResponse:
    is_open = row.resolved_at is None
    context = {
        "staff": staff,
        "row": row,
        "polls_left": polls_left if is_open else 0,
        "was_asked": was_asked,
        "zone": staff.zone,
    }
    response = page_or_fragment(request, _ROW, _ROW, context)
    if not is_open:
        response["HX-Trigger"] = (
            "discrepancy-resolved"  # an organization's tab shows it healed
        )
    return response


# --- what the address asks for ------------------------------------------------------


def _drifts(staff: StaffContext, request: OrgRequest) -> dict[str, Any]:
    labels, kind = staff.chosen(request.GET), request.GET.get("kind", "")
    if kind and kind not in Discrepancy.Kind.values:
        raise DomainError("Unknown discrepancy type.", fields=("kind",))
    is_resolved = request.GET.get("resolved") == "1"
    run = _run(staff, request.GET.get("run", ""))
    if run:
        rows = [row for row in list_run_discrepancies(run) if _may_see(staff, row)]
    else:
        rows = list_discrepancies(
            labels,
            with_nobodys=staff.sees_all and len(labels) == len(staff.white_labels),
            resolved=is_resolved,
            kinds=[kind] if kind else [],
            limit=SHOWN,
        )
    return {
        "staff": staff,
        "now": staff.now,
        "zone": staff.zone,
        "run": run,
        "is_resolved": is_resolved,
        "is_filtered": bool(kind or run or request.GET.get("white_label")),
        "differences": [row for row in rows if not row.is_warning],
        "warnings": [row for row in rows if row.is_warning],
        "shown": SHOWN if len(rows) == SHOWN else 0,
        "names": {label.pk: label.name for label in staff.white_labels},
        "healing": [] if is_resolved or run else _healing(labels, rows),
        "choices": _choices(staff, request, kind),
        "states": _states(request, is_resolved=is_resolved),
    }


def _may_see(staff: StaffContext, row: DiscrepancyRow) -> bool:
    """A run of one white label meets customers of nobody's, too."""
    if row.white_label_id is None:
        return staff.sees_all
    return row.white_label_id in {label.pk for label in staff.white_labels}


def _run(staff: StaffContext, text: str) -> int | None:
    if not text:
        return None
    id_ = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0  # noqa: PLR2004
    if get_sync(id_, staff.white_labels) is None:
        raise NotFound("Sync run not found.")
    return id_


def _healing(labels: list[WhiteLabel], rows: list[DiscrepancyRow]) -> list[WhiteLabel]:
    """White labels with something that heals."""
    ids = {row.white_label_id for row in rows if row.can_resolve}
    return [label for label in labels if label.pk in ids]


def _choices(staff: StaffContext, request: OrgRequest, kind: str) -> dict[str, Any]:
    return {
        "white_label": request.GET.get("white_label", ""),
        "white_labels": staff.white_labels,
        "kind": kind,
        "kinds": Discrepancy.Kind.choices,
    }


def _states(request: OrgRequest, *, is_resolved: bool) -> list[dict[str, Any]]:
    kept = {
        name: value
        for name in ("white_label", "kind")
        if (value := request.GET.get(name))
    }
    base = reverse("billing:discrepancies")

    def url(**more: str) -> str:
        query = urlencode(kept | more)
        return f"{base}?{query}" if query else base

    return [
        {"label": "Open", "url": url(), "current": not is_resolved},
        {"label": "Resolved", "url": url(resolved="1"), "current": is_resolved},
    ]
