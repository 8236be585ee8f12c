"""Command that creates an invoice for charges that no draft of Stripe will take.

Stripe creates drafts for live subscriptions only, at the end of their cycle. Charges
get an invoice from Orgdesk if the subscription has ended, and, beside a plan whose
cycle is longer than a month, each month. It has only their items: those that wait for
the customer's next invoice are left to it. The draft's idempotency key and metadata
name the first of the charges: if the worker dies after Stripe created it, the next
attempt finds it.
"""

from collections.abc import Sequence

from billing import gateway
from billing.ledger.commands.invoicing import DRAFT_REASONS, assign_draft
from billing.ledger.queries.charges import (
    awaits_draft_of_stripe,
    find_first_usage_awaiting_draft,
)
from billing.models import BillingAccount, Subscription

FIRST_CHARGE = "orgdesk_first_charge"  # metadata of the invoice: the id of a charge
_DRAFT = "draft"


def make_usage_invoice(organization_id: int) -> str | None:
    """Find or create a draft for an organization's waiting charges; return its id.

    Return None where no usage waits, no customer is linked, or Stripe will create the
    next draft soon. Call it outside transactions. Raises the gateway's errors.
    """
    first = find_first_usage_awaiting_draft(organization_id)
    account = BillingAccount.objects.filter(organization_id=organization_id).first()
    if first is None or account is None or not account.stripe_id:
        return None
    if awaits_draft_of_stripe(organization_id):
        return None
    draft = _find_or_create_draft(account, str(first.pk), first.currency)
    assign_draft(organization_id, draft)
    return draft


def _find_or_create_draft(
    account: BillingAccount, charge_id: str, currency: str
) -> str:
    """Return a draft that takes the charges, or create one.

    It may be of an earlier attempt, or Stripe's own, such as that of the cycle that
    begins with a change of terms. Invoices of earlier attempts that are not drafts any
    more count into the idempotency key, so that the new draft is not answered with one
    of them.
    """
    customer_id = str(account.stripe_id)
    invoices = gateway.list_invoices(customer_id=customer_id).items
    own = [row for row in invoices if row.metadata.get(FIRST_CHARGE) == charge_id]
    for invoice in (*own, *_list_cycle_drafts(account, invoices)):
        if invoice.status == _DRAFT and invoice.currency == currency:
            return invoice.id
    return gateway.create_invoice(
        customer_id,
        currency=currency,
        key=f"usage-invoice-{charge_id}-{len(own)}",
        metadata={FIRST_CHARGE: charge_id},
    ).id


def _list_cycle_drafts(
    account: BillingAccount, invoices: Sequence[gateway.Invoice]
) -> list[gateway.Invoice]:
    """Return the drafts of the platform subscription that bill its plan."""
    subscriptions = Subscription.objects.filter(
        organization_id=account.organization_id, kind=Subscription.Kind.PLATFORM
    )
    ids = set(subscriptions.values_list("stripe_id", flat=True))
    return [
        invoice
        for invoice in invoices
        if invoice.subscription_id in ids
        and invoice.billing_reason in DRAFT_REASONS
        and invoice.status == _DRAFT
    ]
