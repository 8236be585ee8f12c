"""Command that creates the final invoice after a subscription was canceled.

Stripe creates drafts for live subscriptions only. So the charges that wait for a draft,
of an organization without a live platform subscription, get one from Orgdesk. The
draft's idempotency key and metadata name the first of these charges: if the worker dies
after Stripe created it, the next attempt finds it.
"""

from billing import gateway
from billing.ledger.commands.invoicing import assign_draft
from billing.ledger.queries.charges import (
    find_first_awaiting_draft,
    has_live_platform_subscription,
)
from billing.models import BillingAccount

FIRST_CHARGE = "orgdesk_first_charge"  # metadata of the invoice: the id of a charge
_DRAFT = "draft"


def make_final_invoice(organization_id: int) -> str | None:
    """Create a draft for an organization's waiting charges; return the draft's id.

    Return None where no charge waits, no customer is linked, or Stripe will create the
    next draft. Call it outside transactions. Raises the gateway's errors.
    """
    first = find_first_awaiting_draft(organization_id)
    account = BillingAccount.objects.filter(organization_id=organization_id).first()
    if first is None or account is None or not account.stripe_id:
        return None
    if has_live_platform_subscription(organization_id):
        return None
    draft = _find_or_create_draft(account.stripe_id, str(first.pk), first.currency)
    assign_draft(organization_id, draft)
    return draft


def _find_or_create_draft(customer_id: str, charge_id: str, currency: str) -> str:
    """Return the draft that an earlier attempt created, or create one.

    Invoices that are not drafts any more count into the idempotency key, so that the
    new draft is not answered with one of them.
    """
    invoices = [
        invoice
        for invoice in gateway.list_invoices(customer_id=customer_id).items
        if invoice.metadata.get(FIRST_CHARGE) == charge_id
    ]
    for invoice in invoices:
        if invoice.status == _DRAFT:
            return invoice.id
    return gateway.create_invoice(
        customer_id,
        currency=currency,
        key=f"final-invoice-{charge_id}-{len(invoices)}",
        metadata={FIRST_CHARGE: charge_id},
    ).id
