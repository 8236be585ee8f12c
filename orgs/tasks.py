"""Celery tasks that do background jobs."""

from celery import shared_task

from orgs.commands import (
    account_emails,
    idempotency,
    jobs,
    sealing,
    security_events,
    sessions,
    views_as,
)
from orgs.commands.work import list_forgotten
from orgs.models import AccountEmail, Job
from orgs.queue.enqueue import enqueue

_BATCH = 1_000


@shared_task
def run_job(job_id: int) -> None:
    """Do a background job once, however often this task is enqueued."""
    jobs.run_job(job_id)


@shared_task
def sweep_jobs() -> None:
    """Enqueue jobs that were not enqueued or whose worker died."""
    for job_id in list_forgotten(Job.objects.all(), _BATCH):
        enqueue(run_job, job_id)


@shared_task
def delete_idempotency_keys() -> None:
    """Delete old idempotency keys; the next run continues."""
    if idempotency.delete_old_keys():
        enqueue(delete_idempotency_keys)


@shared_task
def delete_expired_sessions() -> None:
    """Delete sessions that are over; the next run continues."""
    if sessions.delete_expired_sessions():
        enqueue(delete_expired_sessions)


@shared_task
def end_views_as() -> None:
    """End views as another account whose time is up."""
    views_as.end_views_that_are_over()


@shared_task
def seal_history() -> None:
    """Seal the history of yesterday, once; a later run does what was put off."""
    sealing.seal_due()


@shared_task
def verify_history() -> None:
    """Compare the rows of the last days with their seals."""
    sealing.verify_recent()


@shared_task
def delete_security_events() -> None:
    """Delete security events that are older than the retention."""
    if security_events.delete_old_events():
        enqueue(delete_security_events)


@shared_task
def send_account_email(account_email_id: int) -> None:
    """Send an email about an account once, however often this task is enqueued."""
    account_emails.send_email(account_email_id)


@shared_task
def sweep_account_emails() -> None:
    """Enqueue emails that are due, and delete old ones."""
    for account_email_id in list_forgotten(AccountEmail.objects.all(), _BATCH):
        enqueue(send_account_email, account_email_id)
    account_emails.delete_old_emails()
