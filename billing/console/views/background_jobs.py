"""Settings, background jobs: all work of the installation on one page."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from billing.console.queries.background_jobs import (
    RETRIED,
    list_queues,
    list_work,
    work_models,
)
from orgs import access
from orgs.commands.work import restart
from orgs.errors import NotFound
from orgs.models.work import WorkState
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "billing/console/background_jobs.html"
_MOST_RETRIED = 1_000


def background_jobs(request: OrgRequest) -> HttpResponse:
    """Show what waits, runs, and has failed, by kind, and the queues of the broker."""
    _require_all(request)
    context = {
        "nav_key": "settings",
        "settings_tab": "jobs",
        "kinds": list_work(),
        "queues": list_queues(),
        "now": timezone.now(),
    }
    return page_or_fragment(request, _PAGE, _PAGE, context)


@require_POST
def retry_background_jobs(request: OrgRequest, slug: str) -> HttpResponse:
    """Make failed rows of a kind due again; a sweep enqueues them within a minute."""
    _require_all(request)
    if slug not in RETRIED:
        raise NotFound("Kind of job not found.")
    rows = work_models()[slug]._default_manager.filter(state=WorkState.FAILED)
    ids = rows.order_by("-finished_at").values_list("pk", flat=True)[:_MOST_RETRIED]
    restart(rows.filter(pk__in=list(ids)))
    messages.success(request, "Retry queued.")
    return redirect("billing:background_jobs")


def _require_all(request: OrgRequest) -> None:
    """Hide the page from an account of one white label: the counts are of all."""
    if not access.principal_of(request.user).sees_all:
        raise NotFound("Background jobs are of all white labels.")
