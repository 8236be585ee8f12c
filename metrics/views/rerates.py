"""Settings, prices: re-rating open periods in the background, previewed first."""

from typing import Any

import pghistory
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from metrics import tasks
from metrics.commands.rerate_runs import cancel_run, request_preview, request_rerate
from metrics.models import RerateRun
from metrics.queries.rerate_runs import find_run, largest_changes, list_runs
from metrics.rerate_forms import RerateForm, RerateReasonForm
from metrics.views.prices import (
    chosen_label,
    page_context,
    undo_context,
    visible_labels,
)
from orgs import access
from orgs.access.permissions import row_id
from orgs.errors import Conflict, NotFound
from orgs.queue.enqueue import enqueue
from orgs.web.http import OrgRequest, page_or_fragment

_LIST = "metrics/rerates.html"
_RUN, _PROGRESS = "metrics/rerate_run.html", "metrics/_rerate_progress.html"
_FIELDS = ("product", "meter", "since")


@require_http_methods(["GET", "HEAD", "POST"])
def rerates(request: OrgRequest) -> HttpResponse:
    """List the latest re-rates of a white label; POST starts the preview of one."""
    label, labels = chosen_label(request), visible_labels(request)[1]
    given = {name: request.GET.get(name, "") for name in _FIELDS}
    form = RerateForm(request.POST or None, initial=given)
    status = 200
    if request.method == "POST" and form.is_valid():
        by = access.principal_of(request.user).name
        try:
            run = request_preview(label, by=by, **form.cleaned_data)
        except Conflict as error:
            form.add_error(None, error.message)
            status = error.status
        else:
            enqueue(tasks.run_rerate, run.pk)
            return redirect("metrics:rerate", run.pk)
    context = page_context(request, label) | undo_context(request, label)
    context |= {"form": form, "runs": list_runs(label.pk), "labels": labels}
    status = 422 if form.errors and status == 200 else status  # noqa: PLR2004
    return page_or_fragment(request, _LIST, _LIST, context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def rerate(request: OrgRequest, run_id: int) -> HttpResponse:
    """Show a re-rate, with its progress alone to htmx.

    POST applies a preview (`step=apply`) with a reason, or cancels the run
    (`step=cancel`).
    """
    run = _find(request, run_id)
    form = RerateReasonForm(request.POST or None)
    if request.method != "POST":
        return _page(request, run, RerateReasonForm())
    by = access.principal_of(request.user).name
    if request.POST.get("step") == "cancel":
        is_canceled = cancel_run(run, by=by)
        messages.info(request, "Canceled." if is_canceled else "It had ended.")
        return redirect("metrics:rerate", run.pk)
    if not form.is_valid():
        return _page(request, run, form, status=422)
    access.require_recent_authentication(request)
    try:
        with pghistory.context(note=form.cleaned_data["reason"]):
            applied = request_rerate(run, by=by, note=form.cleaned_data["reason"])
    except Conflict as error:
        form.add_error(None, error.message)
        return _page(request, run, form, status=error.status)
    enqueue(tasks.run_rerate, applied.pk)
    return redirect("metrics:rerate", applied.pk)


def _find(request: OrgRequest, run_id: int) -> RerateRun:
    labels = access.visible_white_labels(access.principal_of(request.user))
    run = find_run(row_id(run_id), [label.pk for label in labels])
    if run is None:
        raise NotFound("Re-rate not found.")
    return run


def _page(
    request: OrgRequest, run: RerateRun, form: RerateReasonForm, *, status: int = 200
) -> HttpResponse:
    url = reverse("metrics:rerate", args=[run.pk])
    context: dict[str, Any] = page_context(request, run.white_label) | {
        "run": run,
        "form": form,
        "changes": largest_changes(run),
        "applied": getattr(run, "applied", None),
        "poll_url": url if run.is_unfinished else "",
        "url": url,
    }
    return page_or_fragment(request, _RUN, _PROGRESS, context, status=status)
