"""Celery tasks that call Stripe: webhook events, syncs, discrepancies and actions."""

from celery import shared_task

from billing import gateway
from billing.forecast.queries.estimates import EstimatedInvoice
from billing.stripe.commands import resolution
from billing.stripe.commands.actions import execution as action_execution
from billing.stripe.commands.sync import execution as sync_execution
from billing.stripe.commands.sync import runs
from billing.stripe.commands.upcoming import refresh_upcoming
from billing.stripe.commands.webhook_events import execution as event_execution
from billing.stripe.commands.webhook_events import intake, queue
from billing.stripe.queries.actions import list_due_actions
from billing.stripe.queries.upcoming import list_outdated
from orgs.models import Organization
from orgs.queue.debounce import debounced_ids, enqueue_debounced
from orgs.queue.enqueue import enqueue

_BATCH = 1_000
_PREVIEWS = 200  # organizations per sweep: each is a request to Stripe


@shared_task
def handle_event(event_id: int) -> None:
    """Apply a webhook event once, however often this task is enqueued.

    One that has to be tried again is enqueued for then, also while the beat is down.
    """
    if event_execution.handle(event_id):
        wait = queue.next_attempt_in(event_id)
        if wait is not None:
            enqueue(handle_event, event_id, wait=wait)


@shared_task
def sweep_webhook_events() -> None:
    """Enqueue webhook events that were not enqueued or whose worker died."""
    for event_id in queue.take_forgotten(_BATCH):
        enqueue(handle_event, event_id)


@shared_task
def pull_events() -> None:
    """Fetch the events that Stripe could not deliver."""
    if gateway.is_on():
        for event_id in intake.pull_undelivered():
            enqueue(handle_event, event_id)


@shared_task
def prune_webhook_events() -> None:
    """Delete webhook events that were handled long ago."""
    queue.prune()


@shared_task
def run_sync(run_id: int) -> None:
    """Continue a sync run; a long run takes several tasks and blocks no worker."""
    if sync_execution.advance(run_id):
        enqueue(run_sync, run_id)


@shared_task
def sweep_syncs() -> None:
    """Enqueue sync runs that were not enqueued or whose worker died."""
    for run_id in runs.find_forgotten(_BATCH):
        enqueue(run_sync, run_id)


@shared_task
def start_syncs() -> None:
    """Start the nightly sync run of every white label."""
    if gateway.is_on():
        for run_id in runs.start_all():
            enqueue(run_sync, run_id)


@shared_task
def resolve_discrepancy(discrepancy_id: int, by: str) -> None:
    """Resolve one discrepancy on behalf of the user named `by`."""
    resolution.resolve(discrepancy_id, by=by)


@shared_task
def do_action(action_id: int) -> None:
    """Carry out a requested Stripe action once, however often this is enqueued."""
    if gateway.is_on():
        action_execution.do(action_id)


@shared_task
def sweep_actions() -> None:
    """Enqueue actions that are due, due again, or whose worker died."""
    if gateway.is_on():
        for action_id in list_due_actions(_BATCH):
            enqueue(do_action, action_id)


@shared_task
def refresh_upcoming_invoices() -> None:
    """Read Stripe's previews for organizations whose estimate needs them."""
    for organization_ids in debounced_ids(refresh_upcoming_invoices):
        if gateway.is_on():
            refresh_upcoming(organization_ids)


@shared_task
def sweep_upcoming_invoices() -> None:
    """Enqueue the organizations whose previews are the oldest, and too old."""
    if outdated := list_outdated(_PREVIEWS):
        enqueue_debounced(refresh_upcoming_invoices, outdated)


def request_previews(organization: Organization, estimate: EstimatedInvoice) -> None:
    """Have Stripe's previews read if an estimate that is shown needs them.

    The next view shows them; until then mirrored prices are used.
    """
    if estimate.needs_preview and gateway.is_on():
        enqueue_debounced(refresh_upcoming_invoices, [organization.pk])
