"""Celery tasks that put the charges of closed periods on invoices in Stripe."""

import logging

from celery import shared_task

from billing import gateway
from billing.ledger.commands import charges, final_invoices
from billing.ledger.queries.charges import (
    list_due_periods,
    list_organizations_without_draft,
    next_attempt_in,
)
from orgs.queue.enqueue import enqueue

logger = logging.getLogger(__name__)
_BATCH = 1_000


@shared_task
def send_charges(period_id: int) -> None:
    """Put the charges of a closed period on its invoice, each exactly once.

    Charges that have to be sent again are enqueued for then: their invoice may be
    finalized before the next sweep, or the beat may be down.
    """
    if gateway.is_on() and charges.send_charges(period_id):
        wait = next_attempt_in(period_id)
        if wait is not None:
            enqueue(send_charges, period_id, wait=wait)


@shared_task
def sweep_charges() -> None:
    """Enqueue the periods whose charges were not sent yet, or have to be sent again."""
    if gateway.is_on():
        for period_id in list_due_periods(_BATCH):
            enqueue(send_charges, period_id)


@shared_task
def make_final_invoice(organization_id: int) -> None:
    """Create the final invoice of an organization; the sweep retries it on failure."""
    try:
        final_invoices.make_final_invoice(organization_id)
    except gateway.GatewayError as error:
        logger.warning(
            "last_invoice_later organization=%s code=%s", organization_id, error.code
        )


@shared_task
def sweep_final_invoices() -> None:
    """Enqueue the organizations that have charges but no subscription any more."""
    if gateway.is_on():
        for organization_id in list_organizations_without_draft(_BATCH):
            enqueue(make_final_invoice, organization_id)
