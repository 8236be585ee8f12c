"""Invoices of a cycle close the period whose usage they bill.

Stripe finalizes a draft an hour after it made it: until then it takes our items.
"""

from collections.abc import Iterable

from billing import gateway
from billing.commands.invoicing import close_for_invoice


def announce(invoices: Iterable[gateway.Invoice]) -> None:
    """After the commit that mirrored them, the oldest first: periods follow in time."""
    for invoice in sorted(invoices, key=lambda one: one.created_at):
        announce_draft(invoice)


def announce_draft(invoice: gateway.Invoice) -> None:
    """Told again, nothing more happens."""
    close_for_invoice(
        invoice.id,
        reason=invoice.billing_reason,
        subscription_id=invoice.subscription_id,
        period_ends_at=invoice.ends_at,
    )
