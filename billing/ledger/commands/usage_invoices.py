"""Command that creates an invoice for charges that no draft of Stripe will take.

Stripe creates drafts for live subscriptions only, at the end of their cycle. Charges
get an invoice from Orgdesk if the subscription has ended, and, beside a plan whose
cycle is longer than a month, each month. It has only their items: those that wait for
the customer's next invoice are left to it. The draft's idempotency key and metadata
name the first of the charges: if the worker dies after Stripe created it, the next
attempt finds it.

When Stripe refuses the invoice, its charges fail, and staff send them again
(`billing.ledger.commands.charges.retry_charge`). After any other error they are tried
again later, with the backoff of charges.
"""

import logging
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from billing import gateway
from billing.ledger.commands.charges import TRUSTED_ATTEMPTS
from billing.ledger.commands.invoicing import DRAFT_REASONS, assign_draft
from billing.ledger.queries.charges import (
    awaits_draft_of_stripe,
    usage_awaiting_draft,
)
from billing.models import BillingAccount, Charge, Subscription
from orgs.commands import work
from orgs.models.work import DatabaseClock

logger = logging.getLogger(__name__)
FIRST_CHARGE = "orgdesk_first_charge"  # metadata of the invoice: the id of a charge
_DRAFT = "draft"
_MAX_CODE_LENGTH = 64
_ERROR_FIELDS = (
    "state",
    "attempts",
    "next_attempt_at",
    "started_at",
    "finished_at",
    "error_code",
    "error",
)


def make_usage_invoice(organization_id: int) -> str | None:
    """Find or create a draft for an organization's waiting charges; return its id.

    Return None where no usage waits, no customer is linked, or Stripe will create the
    next draft soon. Call it outside transactions. Raises the gateway's errors, after
    they were recorded with the charges.
    """
    first = usage_awaiting_draft(organization_id).first()
    account = BillingAccount.objects.filter(organization_id=organization_id).first()
    if first is None or account is None or not account.stripe_id:
        return None
    if awaits_draft_of_stripe(organization_id):
        return None
    draft = _require_draft(account, first)
    assign_draft(organization_id, draft)
    return draft


def _require_draft(account: BillingAccount, first: Charge) -> str:
    try:
        return _find_or_create_draft(account, first)
    except gateway.GatewayError as error:
        _record_error(account.organization_id, first.currency, error)
        raise


@transaction.atomic
def _record_error(
    organization_id: int, currency: str, error: gateway.GatewayError
) -> None:
    """Fail the charges that wait for an invoice, or move their next attempt."""
    rows = usage_awaiting_draft(organization_id).filter(currency=currency)
    charges = list(rows.select_for_update())
    is_refused = isinstance(error, gateway.Refused | gateway.Missing)
    for charge in charges:
        charge.attempts += 1
        charge.error_code, charge.error = error.code[:_MAX_CODE_LENGTH], error.message
        if is_refused or not charge.has_attempts_left:
            _fail(charge)
        else:
            _try_later(charge)
    Charge.objects.bulk_update(charges, _ERROR_FIELDS)


def _fail(charge: Charge) -> None:
    logger.error("charge_failed id=%s code=%s", charge.pk, charge.error_code)
    charge.state = Charge.State.FAILED
    charge.started_at = charge.finished_at = timezone.now()


def _try_later(charge: Charge) -> None:
    wait = work.backoff(charge.retries, charge.attempts)
    charge.next_attempt_at = DatabaseClock() + wait
    if charge.attempts % TRUSTED_ATTEMPTS == 0:
        charge.started_at = timezone.now()


def _find_or_create_draft(account: BillingAccount, first: Charge) -> str:
    """Return a draft that takes the charges, or create one.

    It may be of an earlier attempt, or Stripe's own, such as that of the cycle that
    begins with a change of terms. Invoices of earlier attempts that are not drafts any
    more count into the idempotency key, so that the new draft is not answered with one
    of them; so does `started_at`, which changes with errors that Stripe would repeat.
    """
    customer_id, charge_id = str(account.stripe_id), str(first.pk)
    started_at = f"-{first.started_at:%Y%m%d%H%M%S%f}" if first.started_at else ""
    invoices = gateway.list_invoices(customer_id=customer_id).items
    own = [row for row in invoices if row.metadata.get(FIRST_CHARGE) == charge_id]
    for invoice in (*own, *_list_cycle_drafts(account, invoices)):
        if invoice.status == _DRAFT and invoice.currency == first.currency:
            return invoice.id
    return gateway.create_invoice(
        customer_id,
        currency=first.currency,
        key=f"usage-invoice-{charge_id}-{len(own)}{started_at}",
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
