"""Views of failed jobs: why their retries were exhausted, and retrying them."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from billing.ledger import tasks as ledger_tasks
from billing.ledger.commands.charges import retry_charge
from billing.models import Charge, StripeAction
from billing.staff import require_billing_read, require_billing_write
from billing.stripe import tasks as stripe_tasks
from billing.stripe.commands.actions.requests import retry_action
from billing.stripe.queries.failed_jobs import find_failed_job, list_failed_jobs
from billing.stripe.views.layout import page_context
from orgs.commands.jobs import retry_job
from orgs.errors import NotFound
from orgs.queue.enqueue import enqueue
from orgs.tasks import run_job
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "billing/stripe/failed_jobs.html"


def failed_jobs(request: OrgRequest) -> HttpResponse:
    """List failed charges, Stripe actions and background jobs, newest first."""
    staff = require_billing_read(request)
    context = {
        **page_context(staff, "failed_jobs"),
        "rows": list_failed_jobs(staff.white_labels),
    }
    return page_or_fragment(request, _PAGE, _PAGE, context)


@require_POST
def retry_failed_job(request: OrgRequest, kind: str, job_id: int) -> HttpResponse:
    """Enqueue a failed job again; 404 if it is not failed any more."""
    staff = require_billing_write(request, needs_stripe=kind != "job")
    job = find_failed_job(kind, job_id, staff.white_labels)
    if job is None:
        raise NotFound("Failed job not found.")
    _RETRIES[kind](job_id)
    messages.success(request, f"Retry queued: {job.title}.")
    return redirect("billing:failed_jobs")


def _retry_charge(charge_id: int) -> None:
    retry_charge(charge_id)
    period_id = Charge.objects.values_list("period_id", flat=True).get(pk=charge_id)
    enqueue(ledger_tasks.send_charges, period_id)


def _retry_action(action_id: int) -> None:
    rows = StripeAction.objects.select_related("organization__white_label")
    retry_action(rows.get(pk=action_id))
    enqueue(stripe_tasks.do_action, action_id)


def _retry_job(job_id: int) -> None:
    retry_job(job_id)
    enqueue(run_job, job_id)


_RETRIES: dict[str, Callable[[int], None]] = {
    "charge": _retry_charge,
    "action": _retry_action,
    "job": _retry_job,
}
