"""Drift: what we say, what Stripe says, and healing it."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.models import Drift
from billing.staff import Desk, enter, enter_to_act
from billing.stripe import tasks
from billing.stripe.commands import resolution
from billing.stripe.queries.discrepancies import (
    DriftRow,
    get_drift,
    list_drift,
    list_run_drift,
)
from billing.stripe.queries.sync_runs import get_sync
from billing.stripe.views.layout import page_context
from orgs.errors import Conflict, DomainError, NotFound
from orgs.models import WhiteLabel
from orgs.queue.enqueue import nudge
from orgs.web.http import OrgRequest, page_or_fragment, wants_fragment

_PAGE, _PANEL = (
    "billing/stripe/discrepancies.html",
    "billing/stripe/_discrepancies.html",
)
_ROW = "billing/stripe/_discrepancy_row.html"
_LOOKS = 12  # at a row that is being healed, one a second
SHOWN = 200


def drifts(request: OrgRequest) -> HttpResponse:
    """Differences that last, warnings apart; or those of a run, or those healed."""
    desk = enter(request)
    context = _drifts(desk, request)
    if not wants_fragment(request):
        context |= page_context(desk, "drifts")
    return page_or_fragment(request, _PAGE, _PANEL, context)


def drift_row(request: OrgRequest, drift_id: int) -> HttpResponse:
    """A row that is being healed, until it is; as a page, the report."""
    desk = enter(request)
    row = _found(desk, drift_id)
    if not wants_fragment(request):
        return redirect("billing:drifts")
    looks = request.GET.get("looks", "")
    left = min(int(looks), _LOOKS) - 1 if looks.isascii() and looks.isdigit() else 0
    return _row(request, desk, row, looks=max(left, 0), was_asked=True)


@require_POST
def heal_drift(request: OrgRequest, drift_id: int) -> HttpResponse:
    """Have Stripe asked again and its answer written, by a worker."""
    desk = enter_to_act(request)
    row = _found(desk, drift_id)
    if row.is_warning:
        raise Conflict("Warnings must be resolved manually.", code="drift_is_warning")
    nudge(tasks.heal_drift, drift_id, desk.principal.name)
    if wants_fragment(request):
        return _row(request, desk, row, looks=_LOOKS, was_asked=True)
    messages.info(request, f"Resolving {row.stripe_id}.")
    return redirect("billing:drifts")


@require_POST
def heal_all_drift(request: OrgRequest, white_label_id: int) -> HttpResponse:
    """A run that heals what it finds; it is watched on the syncs' page."""
    desk = enter_to_act(request)
    label = desk.white_label(white_label_id)
    run = resolution.heal_all(label, by=desk.principal.name)
    nudge(tasks.run_sync, run.pk)
    messages.info(request, f"Started a sync of {label.name} to resolve discrepancies.")
    return redirect("billing:jobs")


def _found(desk: Desk, drift_id: int) -> DriftRow:
    found = get_drift(drift_id, desk.white_labels, with_nobodys=desk.sees_all)
    if found is None:
        raise NotFound("Discrepancy not found.")
    return found


def _row(
    request: OrgRequest, desk: Desk, row: DriftRow, *, looks: int, was_asked: bool
) -> HttpResponse:
    is_open = row.healed_at is None
    context = {
        "desk": desk,
        "row": row,
        "looks": looks if is_open else 0,
        "was_asked": was_asked,
        "zone": desk.zone,
    }
    response = page_or_fragment(request, _ROW, _ROW, context)
    if not is_open:
        response["HX-Trigger"] = "drift-healed"  # an organization's tab shows it healed
    return response


# --- what the address asks for ------------------------------------------------------


def _drifts(desk: Desk, request: OrgRequest) -> dict[str, Any]:
    labels, kind = desk.chosen(request.GET), request.GET.get("kind", "")
    if kind and kind not in Drift.Kind.values:
        raise DomainError("Unknown discrepancy type.", fields=("kind",))
    is_healed = request.GET.get("healed") == "1"
    run = _run(desk, request.GET.get("run", ""))
    if run:
        rows = [row for row in list_run_drift(run) if _may_see(desk, row)]
    else:
        rows = list_drift(
            labels,
            with_nobodys=desk.sees_all and len(labels) == len(desk.white_labels),
            healed=is_healed,
            kinds=[kind] if kind else [],
            limit=SHOWN,
        )
    return {
        "desk": desk,
        "now": desk.now,
        "zone": desk.zone,
        "run": run,
        "is_healed": is_healed,
        "is_filtered": bool(kind or run or request.GET.get("white_label")),
        "differences": [row for row in rows if not row.is_warning],
        "warnings": [row for row in rows if row.is_warning],
        "shown": SHOWN if len(rows) == SHOWN else 0,
        "names": {label.pk: label.name for label in desk.white_labels},
        "healing": [] if is_healed or run else _healing(labels, rows),
        "choices": _choices(desk, request, kind),
        "states": _states(request, is_healed=is_healed),
    }


def _may_see(desk: Desk, row: DriftRow) -> bool:
    """A run of one white label meets customers of nobody's, too."""
    if row.white_label_id is None:
        return desk.sees_all
    return row.white_label_id in {label.pk for label in desk.white_labels}


def _run(desk: Desk, text: str) -> int | None:
    if not text:
        return None
    id_ = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0  # noqa: PLR2004
    if get_sync(id_, desk.white_labels) is None:
        raise NotFound("Sync run not found.")
    return id_


def _healing(labels: list[WhiteLabel], rows: list[DriftRow]) -> list[WhiteLabel]:
    """White labels with something that heals."""
    ids = {row.white_label_id for row in rows if row.can_heal}
    return [label for label in labels if label.pk in ids]


def _choices(desk: Desk, request: OrgRequest, kind: str) -> dict[str, Any]:
    return {
        "white_label": request.GET.get("white_label", ""),
        "white_labels": desk.white_labels,
        "kind": kind,
        "kinds": Drift.Kind.choices,
    }


def _states(request: OrgRequest, *, is_healed: bool) -> list[dict[str, Any]]:
    kept = {
        name: value
        for name in ("white_label", "kind")
        if (value := request.GET.get(name))
    }
    base = reverse("billing:drifts")

    def url(**more: str) -> str:
        query = urlencode(kept | more)
        return f"{base}?{query}" if query else base

    return [
        {"label": "Open", "url": url(), "current": not is_healed},
        {"label": "Resolved", "url": url(healed="1"), "current": is_healed},
    ]
