"""Failed tasks: what workers gave up, why, and doing it again."""

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
from billing.stripe.queries.failed_jobs import find_failure, list_failures
from billing.stripe.views.layout import page_context
from orgs.commands.jobs import retry_job
from orgs.errors import NotFound
from orgs.queue.enqueue import enqueue
from orgs.tasks import run_job
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "billing/stripe/failed_jobs.html"


def failed_jobs(request: OrgRequest) -> HttpResponse:
    """Charges, what people asked of Stripe, and jobs; newest first."""
    staff = require_billing_read(request)
    context = {
        **page_context(staff, "failed_jobs"),
        "rows": list_failures(staff.white_labels),
    }
    return page_or_fragment(request, _PAGE, _PAGE, context)


@require_POST
def retry_failure(request: OrgRequest, kind: str, failure_id: int) -> HttpResponse:
    """Have a worker try again what was given up."""
    staff = require_billing_write(request, asks_stripe=kind != "job")
    found = find_failure(kind, failure_id, staff.white_labels)
    if found is None:
        raise NotFound("Failed job not found.")
    _RETRIES[kind](failure_id)
    messages.success(request, f"Retry queued: {found.what}.")
    return redirect("billing:failed_jobs")


def _charge(charge_id: int) -> None:
    retry_charge(charge_id)
    period = Charge.objects.values_list("period_id", flat=True).get(pk=charge_id)
    enqueue(ledger_tasks.send_charges, period)


def _action(action_id: int) -> None:
    rows = StripeAction.objects.select_related("organization__white_label")
    retry_action(rows.get(pk=action_id))
    enqueue(stripe_tasks.do_action, action_id)


def _job(job_id: int) -> None:
    retry_job(job_id)
    enqueue(run_job, job_id)


_RETRIES: dict[str, Callable[[int], None]] = {
    "charge": _charge,
    "action": _action,
    "job": _job,
}
