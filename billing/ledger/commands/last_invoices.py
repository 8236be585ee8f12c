"""The last invoice of who has no subscription any more: Stripe makes none, so we do.

Charges that wait for a draft, of an organization without a live platform subscription,
get a draft of their own. Its key and its metadata name the first of them: killed after
Stripe made it, the next try finds it.
"""

from billing import gateway
from billing.ledger.commands.invoicing import take_waiting
from billing.ledger.queries.charges import find_waiting, has_draft_to_come
from billing.models import BillingAccount

FIRST_CHARGE = "orgdesk_first_charge"  # in the invoice's metadata
_DRAFT = "draft"


def make_last_invoice(organization_id: int) -> str | None:
    """A draft that takes up what waits; its id, or null where it is not ours to make.

    To be called outside of transactions; raises what the gateway raises.
    """
    first = find_waiting(organization_id)
    account = BillingAccount.objects.filter(organization_id=organization_id).first()
    if first is None or account is None or not account.stripe_id:
        return None
    if has_draft_to_come(organization_id):
        return None
    draft = _draft(account.stripe_id, str(first.pk), first.currency)
    take_waiting(organization_id, draft)
    return draft


def _draft(customer_id: str, first: str, currency: str) -> str:
    """The one made before, while it is a draft; else another."""
    made = [
        invoice
        for invoice in gateway.list_invoices(customer_id=customer_id).items
        if invoice.metadata.get(FIRST_CHARGE) == first
    ]
    for invoice in made:
        if invoice.status == _DRAFT:
            return invoice.id
    return gateway.create_invoice(
        customer_id,
        currency=currency,
        key=f"last-invoice-{first}-{len(made)}",
        metadata={FIRST_CHARGE: first},
    ).id
