"""Celery tasks that put the charges of closed periods on invoices in Stripe."""

import logging

from celery import shared_task

from billing import gateway
from billing.ledger.commands import charges, terms, usage_invoices
from billing.ledger.queries.charges import (
    list_due_periods,
    list_organizations_without_draft,
    next_attempt_in,
)
from billing.ledger.queries.terms import list_ended_months
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
def make_usage_invoice(organization_id: int) -> None:
    """Create the invoice of charges that no draft takes; the sweep retries it.

    An error is kept with the charges.
    """
    try:
        usage_invoices.make_usage_invoice(organization_id)
    except gateway.GatewayError as error:
        logger.warning(
            "usage_invoice_error organization=%s code=%s", organization_id, error.code
        )


@shared_task
def sweep_usage_invoices() -> None:
    """Enqueue the organizations whose waiting charges no draft of Stripe will take."""
    if gateway.is_on():
        for organization_id in list_organizations_without_draft(_BATCH):
            enqueue(make_usage_invoice, organization_id)


@shared_task
def close_ended_months(subscription_id: str) -> None:
    """Close the month that ended beside a plan with a longer cycle."""
    terms.close_ended_months(subscription_id)


@shared_task
def sweep_ended_months() -> None:
    """Enqueue the subscriptions beside which a month of usage has ended."""
    for subscription_id in list_ended_months(_BATCH):
        enqueue(close_ended_months, subscription_id)
