"""Syncs with Stripe: while they go on, and how they ended."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.staff import StaffContext, require_billing_read, require_billing_write
from billing.stripe import tasks
from billing.stripe.commands.sync import runs as runs_sync
from billing.stripe.queries.sync_runs import SyncProgress, last_syncs, list_syncs
from billing.stripe.views.layout import page_context
from orgs.queue.enqueue import enqueue
from orgs.web.http import OrgRequest, page_or_fragment, wants_fragment

_PAGE, _PANEL = "billing/stripe/sync.html", "billing/stripe/_sync_runs.html"
_WATCHED = 50  # runs whose end is told


def jobs(request: OrgRequest) -> HttpResponse:
    """A run of each white label, those before, and a button; live while one goes on."""
    staff = require_billing_read(request)
    if wants_fragment(request):
        context = _syncs(staff, watching=_read_watching(request))
    else:
        context = _syncs(staff, watching=[]) | page_context(staff, "stripe_sync")
    return page_or_fragment(request, _PAGE, _PANEL, context)


@require_POST
def start_sync(request: OrgRequest, white_label_id: int) -> HttpResponse:
    """Ask for a run; while one goes on it is that one.

    `mode=compare` only writes down what differs.
    """
    staff = require_billing_write(request)
    run = runs_sync.start(
        staff.white_label(white_label_id),
        requested_by=staff.principal.name,
        repairs=request.POST.get("mode") != "compare",
    )
    enqueue(tasks.run_sync, run.pk)
    if not wants_fragment(request):
        return redirect("billing:stripe_sync")
    watching = [*_read_watching(request), run.pk]
    return page_or_fragment(request, _PANEL, _PANEL, _syncs(staff, watching=watching))


def _read_watching(request: OrgRequest) -> list[int]:
    """Ids of runs that were unfinished when the part that asks was drawn."""
    ids = request.GET.get("watching", "").split(",")
    known = [int(id_) for id_ in ids if id_.isascii() and id_.isdigit()]
    return [id_ for id_ in known if id_ < 2**63][:_WATCHED]


def _syncs(staff: StaffContext, *, watching: Sequence[int]) -> dict[str, Any]:
    newest = last_syncs(staff.white_labels)
    runs = list_syncs(staff.white_labels)
    unfinished = [run.id for run in newest.values() if run.is_unfinished]
    query = ",".join(map(str, unfinished[:_WATCHED]))
    return {
        "staff": staff,
        "zone": staff.zone,
        "lines": [
            {"label": label, "run": newest.get(label.pk)}
            for label in staff.white_labels
        ],
        "runs": runs,
        "poll_url": f"{reverse('billing:stripe_sync')}?watching={query}"
        if query
        else "",
        "ended": _ended(runs, watching),
    }


def _ended(runs: Sequence[SyncProgress], watching: Sequence[int]) -> list[SyncProgress]:
    """What ended while one watched: told once, for then it is watched no more."""
    return [run for run in runs if run.id in watching and not run.is_unfinished]
