"""Billing periods that end because Stripe made an invoice or ended a subscription.

Stripe finalizes a draft invoice an hour after it made it. Until then the charges of the
closed period can be added to it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.utils import timezone

from billing import gateway
from billing.ledger.commands.invoicing import (
    CYCLE_REASON,
    close_period_for_cancellation,
    close_period_for_invoice,
)
from billing.ledger.commands.terms import (
    RECENT_CHANGE,
    close_changed_terms,
    close_ended_months,
)

_CANCELED = "canceled"


def close_billed_periods(invoices: Iterable[gateway.Invoice]) -> None:
    """Close the periods that the invoices bill and write their charges.

    Call it after the transaction that mirrored the invoices. Oldest first, because each
    period begins where the one before it ended.
    """
    for invoice in sorted(invoices, key=lambda invoice: invoice.created_at):
        close_period_for_draft(invoice)


def close_period_for_draft(invoice: gateway.Invoice) -> None:
    """Close the period that an invoice bills; repeated, it changes nothing.

    Terms that changed earlier in the cycle end a period first, whether the draft or the
    subscription is read first: usage from before a trial is not free.
    """
    if invoice.billing_reason == CYCLE_REASON and invoice.subscription_id:
        close_changed_terms(invoice.subscription_id, before=invoice.ends_at)
    close_period_for_invoice(
        invoice.id,
        reason=invoice.billing_reason,
        subscription_id=invoice.subscription_id,
        period_ends_at=invoice.ends_at,
    )


def close_removed_platforms(removed: Mapping[str, datetime]) -> None:
    """Close the periods of subscriptions whose platform item was removed lately.

    Stripe goes on making drafts for what they still sell, but usage is not billed with
    those. Repeated, it changes nothing.
    """
    since = timezone.now() - RECENT_CHANGE
    for subscription_id, removed_at in sorted(removed.items()):
        if removed_at > since:
            close_period_for_cancellation(subscription_id, ended_at=removed_at)


def close_periods_of_terms(subscription: gateway.Subscription) -> None:
    """Close periods where the terms of a mirrored subscription changed, or it ended.

    Repeated, it changes nothing. Stripe makes no further draft for a subscription that
    has ended; one that ended long ago is left alone.
    """
    close_changed_terms(subscription.id, ended_at=subscription.ended_at)
    close_ended_months(subscription.id)
    since, ended_at = timezone.now() - RECENT_CHANGE, subscription.ended_at
    if subscription.status == _CANCELED and ended_at and ended_at > since:
        close_period_for_cancellation(subscription.id, ended_at=ended_at)
