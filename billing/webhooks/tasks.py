"""Celery tasks that send deliveries, and delete what is old."""

from celery import shared_task
from django.db.models.functions import Coalesce

from billing.alerts.commands.evaluation import evaluate
from billing.alerts.tasks import enqueue_emails
from billing.models import WebhookEndpoint
from billing.webhooks.commands.retention import delete_old_events
from billing.webhooks.commands.sending import worker
from billing.webhooks.queries.due import list_due_deliveries
from orgs.queue.debounce import debounced_ids
from orgs.queue.enqueue import enqueue
from orgs.queue.slots import slot


@shared_task
def deliver_webhooks() -> None:
    """Send deliveries that are due, for a time slice; only one worker does at a time.

    What is due after it, such as a delivery that was written while it ended, is sent by
    the next task of the queue, so that other tasks come in between.
    """
    for _ in debounced_ids(deliver_webhooks):
        pass  # the deliveries are rows: the ids only enqueued the task
    with slot("webhook_sender", 1) as has_slot:
        if not has_slot:
            return
        worker.run(notify_disabled)
    if list_due_deliveries(1):
        enqueue(deliver_webhooks)


def notify_disabled(endpoint_id: int) -> None:
    """Notify people of an endpoint that was disabled because of its failures.

    The alert is that of its organization, or of the one that owns the white label. If
    this is lost, the hourly evaluation of all organizations finds it.
    """
    rows = WebhookEndpoint.objects.filter(pk=endpoint_id)
    owner = Coalesce("organization_id", "white_label__owner_id")
    ids = list(rows.values_list(owner, flat=True))
    enqueue_emails(evaluate([id_ for id_ in ids if id_ is not None]))


@shared_task
def sweep_webhooks() -> None:
    """Enqueue the sender if deliveries are due: retries, and lost messages."""
    if list_due_deliveries(1):
        enqueue(deliver_webhooks)


@shared_task
def delete_old_webhooks() -> None:
    """Delete events that are older than the retention, with their deliveries."""
    while delete_old_events():
        pass
