"""Views of Stripe sync: starting a run, its progress and the last runs."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.models import Discrepancy
from billing.staff import StaffContext, require_billing_read, require_billing_write
from billing.stripe import tasks
from billing.stripe.commands.sync import runs as runs_sync
from billing.stripe.queries.discrepancies import list_discrepancies
from billing.stripe.queries.sync_runs import SyncProgress, last_syncs, list_syncs
from billing.stripe.views.layout import page_context
from orgs.queue.enqueue import enqueue
from orgs.web.http import OrgRequest, page_or_fragment, wants_fragment

_PAGE, _PANEL = "billing/stripe/sync.html", "billing/stripe/_sync_runs.html"
_MAX_UNREADABLE = 100
_MAX_WATCHED = 50  # runs whose end the page announces


def stripe_sync(request: OrgRequest) -> HttpResponse:
    """Show the last run of each white label and the latest runs.

    While a run is unfinished its part of the page polls this view.
    """
    staff = require_billing_read(request)
    if wants_fragment(request):
        context = _runs_context(staff, watched_ids=_read_watched_ids(request))
    else:
        context = _runs_context(staff, watched_ids=[])
        context |= page_context(staff, "stripe_sync")
    return page_or_fragment(request, _PAGE, _PANEL, context)


@require_POST
def start_sync(request: OrgRequest, white_label_id: int) -> HttpResponse:
    """Start a run of a white label, or show the unfinished one that it already has.

    `mode=compare` is a dry run: it records discrepancies and changes nothing else.
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
    context = _runs_context(staff, watched_ids=[*_read_watched_ids(request), run.pk])
    return page_or_fragment(request, _PANEL, _PANEL, context)


def _read_watched_ids(request: OrgRequest) -> list[int]:
    """Return the IDs of the runs that were unfinished when the page was rendered.

    Whatever is not a number that PostgreSQL has is ignored.
    """
    texts = request.GET.get("watching", "").split(",")
    ids = [int(text) for text in texts if text.isascii() and text.isdigit()]
    return [id_ for id_ in ids if id_ < 2**63][:_MAX_WATCHED]


def _runs_context(staff: StaffContext, *, watched_ids: Sequence[int]) -> dict[str, Any]:
    last_runs = last_syncs(staff.white_labels)
    runs = list_syncs(staff.white_labels)
    unfinished = [run.id for run in last_runs.values() if run.is_unfinished]
    ids = ",".join(map(str, unfinished[:_MAX_WATCHED]))
    return {
        "staff": staff,
        "zone": staff.zone,
        "last_runs": [
            {"label": label, "run": last_runs.get(label.pk)}
            for label in staff.white_labels
        ],
        "runs": runs,
        "poll_url": f"{reverse('billing:stripe_sync')}?watching={ids}" if ids else "",
        "ended_runs": _ended_runs(runs, watched_ids),
        "unreadable": list_discrepancies(
            staff.white_labels,
            include_unassigned=staff.sees_all,
            kinds=[Discrepancy.Kind.UNREADABLE],
            limit=_MAX_UNREADABLE,
        ),
    }


def _ended_runs(
    runs: Sequence[SyncProgress], watched_ids: Sequence[int]
) -> list[SyncProgress]:
    """Return the watched runs that have ended; each is announced with a toast once.

    The next poll does not name them any more.
    """
    return [run for run in runs if run.id in watched_ids and not run.is_unfinished]
