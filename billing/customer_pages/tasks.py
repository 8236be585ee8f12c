"""Celery tasks that send customer links by email."""

from celery import shared_task

from billing.customer_pages.commands.emails import send_link_email
from billing.models import CustomerLinkEmail
from orgs.commands.work import list_forgotten
from orgs.queue.enqueue import enqueue

_BATCH = 1_000


@shared_task
def send_customer_link(email_id: int) -> None:
    """Send an email with a link once, however often this task is enqueued."""
    send_link_email(email_id)


@shared_task
def sweep_customer_links() -> None:
    """Enqueue emails that were not enqueued or whose worker died."""
    for email_id in list_forgotten(CustomerLinkEmail.objects.all(), _BATCH):
        enqueue(send_customer_link, email_id)
