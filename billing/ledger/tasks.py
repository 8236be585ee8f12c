"""Celery tasks that put the charges of closed periods on Stripe's invoices."""

import logging

from celery import shared_task

from billing import gateway
from billing.ledger.commands import charges, last_invoices
from billing.ledger.queries.charges import list_due_periods, list_without_draft
from orgs.queue.enqueue import enqueue

logger = logging.getLogger(__name__)
_BATCH = 1_000


@shared_task
def send_charges(period_id: int) -> None:
    """Put what a closed period costs on its invoice, each line once."""
    if gateway.is_on():
        charges.send_charges(period_id)


@shared_task
def sweep_charges() -> None:
    """Enqueue the periods that have charges to send, for the first time or again."""
    if gateway.is_on():
        for period_id in list_due_periods(_BATCH):
            enqueue(send_charges, period_id)


@shared_task
def make_last_invoice(organization_id: int) -> None:
    """Make an invoice for charges that no draft will take; the sweep retries it."""
    try:
        last_invoices.make_last_invoice(organization_id)
    except gateway.GatewayError as error:
        logger.warning(
            "last_invoice_later organization=%s code=%s", organization_id, error.code
        )


@shared_task
def sweep_last_invoices() -> None:
    """Enqueue the organizations whose subscription ended with something to charge."""
    if gateway.is_on():
        for organization_id in list_without_draft(_BATCH):
            enqueue(make_last_invoice, organization_id)
