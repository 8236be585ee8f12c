"""Celery tasks that evaluate alerts and send their emails."""

from celery import shared_task
from django.utils import timezone

from billing.alerts.commands import evaluation
from billing.alerts.commands.delivery import worker
from billing.alerts.commands.delivery.leases import list_due_emails
from billing.alerts.queries.candidates import list_due
from billing.ledger.queries.limits import list_limited
from orgs.queue.debounce import debounced_ids
from orgs.queue.enqueue import enqueue

_SWEEP_BATCH = 5_000  # organizations per sweep task
_EMAIL_BATCH = 20


@shared_task
def send_alert_email(alert_email_id: int) -> None:
    """Send an alert email to each address that has not accepted it yet.

    Continues with other emails that are due; does nothing if enough workers send.
    """
    worker.deliver(alert_email_id)


@shared_task
def sweep_alert_emails() -> None:
    """Enqueue a few due emails; a worker that sends one continues with the others."""
    for alert_email_id in list_due_emails(_EMAIL_BATCH):
        enqueue(send_alert_email, alert_email_id)


@shared_task
def evaluate_limited() -> None:
    """Evaluate organizations with a spending limit whose usage was just recorded.

    The others wait for the roll-up: a burst of recordings concerns all of them each
    second.
    """
    for organization_ids in debounced_ids(evaluate_limited):
        enqueue_emails(evaluation.evaluate(list_limited(organization_ids)))


@shared_task
def evaluate_rolled_up() -> None:
    """Evaluate organizations whose usage was rolled up or whose people changed."""
    for organization_ids in debounced_ids(evaluate_rolled_up):
        enqueue_emails(evaluation.evaluate(organization_ids))


@shared_task
def evaluate_changed() -> None:
    """Evaluate organizations whose limits, balance or subscription changed.

    Complete days are evaluated, too: the run rate is compared with the limit.
    """
    for organization_ids in debounced_ids(evaluate_changed):
        enqueue_emails(evaluation.evaluate_all_measures(organization_ids))


@shared_task
def evaluate_due() -> None:
    """Evaluate alerts that time alone can trigger: ending trials, failed payments."""
    enqueue_emails(evaluation.evaluate(list_due(timezone.now())))


@shared_task
def sweep_alerts(after: int = 0) -> None:
    """Evaluate every organization; each batch is a task, so that others run between."""
    alert_email_ids, last = evaluation.evaluate_next(after, limit=_SWEEP_BATCH)
    enqueue_emails(alert_email_ids)
    if last is not None:
        enqueue(sweep_alerts, last)


def enqueue_emails(alert_email_ids: list[int]) -> None:
    """Enqueue the first emails; a worker that sends one continues with the others."""
    for alert_email_id in alert_email_ids[:_EMAIL_BATCH]:
        enqueue(send_alert_email, alert_email_id)
