"""Invoices of a cycle close the period whose usage they bill, and so does an end.

Stripe finalizes a draft an hour after it made it: until then it takes our items.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.utils import timezone

from billing import gateway
from billing.ledger.commands.invoicing import (
    close_period_for_cancellation,
    close_period_for_invoice,
)

_LATE = timedelta(days=3)
_CANCELED = "canceled"


def close_billed_periods(invoices: Iterable[gateway.Invoice]) -> None:
    """After the commit that mirrored them, the oldest first: periods follow in time."""
    for invoice in sorted(invoices, key=lambda one: one.created_at):
        close_period_for_draft(invoice)


def close_period_for_draft(invoice: gateway.Invoice) -> None:
    """Told again, nothing more happens."""
    close_period_for_invoice(
        invoice.id,
        reason=invoice.billing_reason,
        subscription_id=invoice.subscription_id,
        period_ends_at=invoice.ends_at,
    )


def close_ended_periods(subscriptions: Iterable[gateway.Subscription]) -> None:
    """What was canceled not long ago has no draft to come; told again, nothing more."""
    since = timezone.now() - _LATE
    for one in subscriptions:
        if one.status == _CANCELED and one.ended_at and one.ended_at > since:
            close_period_for_cancellation(one.id, ended_at=one.ended_at)
