"""Commands that put each charge of a closed period on its invoice exactly once.

This is the half that talks to Stripe; `billing.ledger.commands.invoicing` writes the
rows. A charge is a row before it is a request. The worker that claims it holds a lease,
and the request has an idempotency key made of the row, so that Stripe answers a second
request with the first one's item:

1. claim: state, attempt, lease and the time of the first attempt, committed;
2. where Stripe may have forgotten the key, look for the item on the invoice;
3. ask Stripe for the invoice item, with no transaction open;
4. mark the charge done with the item's id.

If a worker dies after any of these steps, the sweep sends the charge again once the
lease is over; the key, or the search of step 2, makes sure that there is one item. When
Stripe refuses, the invoice is read: one that takes no more items leaves the charge to
the next draft; any other refusal fails the charge, and staff send it again
(`retry_charge`).
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from billing import gateway
from billing.errors import NotFailed
from billing.ledger.commands.invoicing import NO_DRAFT
from billing.ledger.commands.lines import CHARGE, write_item
from billing.ledger.queries.charges import (
    OTHER_PRODUCTS,
    due_charges,
    sum_invoice_charges,
)
from billing.models import BillingAccount, Charge
from orgs.commands import work

logger = logging.getLogger(__name__)
KEY_LIFETIME = timedelta(hours=23)  # Stripe forgets idempotency keys after 24 hours
# After so many attempts the key is changed: Stripe would replay its stored error.
TRUSTED_ATTEMPTS = 5
_CREDIT_WAIT = timedelta(minutes=5)
_DRAFT = "draft"


def send_charges(period_id: int) -> bool:
    """Send the due charges of a period, usage first; stop when Stripe is unreachable.

    Return whether any was due. Charges that are left are sent later.
    """
    rows = due_charges(period_id=period_id).order_by("-kind", "id")
    ids = list(rows.values_list("id", flat=True))
    for charge_id in ids:
        if not send_charge(charge_id):
            break
    return bool(ids)


def send_charge(charge_id: int) -> bool:
    """Put a charge on its invoice if it is due; return whether Stripe is reachable."""
    charge = _claim(charge_id)
    if charge is None:
        return True
    if charge.is_exhausted:
        message = "The worker stopped. Check whether this charge is on the invoice."
        _fail(charge, "worker_died", message)
        return True
    try:
        _send(charge)
    except gateway.GatewayError as error:
        _retry_later(charge, error)
        return not error.is_retryable
    return True


def retry_charge(charge_id: int) -> None:
    """Send a failed charge again, after a search for its item on the invoice.

    Raises `NotFailed` for a charge in any other state.
    """
    failed = Charge.objects.filter(pk=charge_id, state=Charge.State.FAILED)
    if not work.restart(failed, attempts=TRUSTED_ATTEMPTS):
        raise NotFailed("Only failed charges can be retried.")


def _claim(charge_id: int) -> Charge | None:
    """Lease a due charge to this worker; return None if it is taken or not due."""
    rows = Charge.objects.exclude(invoice_stripe_id="").select_related("period")
    return work.claim(rows, charge_id)


def _must_wait_for_usage(charge: Charge) -> bool:
    """Return whether a credit exceeds what Orgdesk charges on its invoice already.

    Sent sooner, it could make the total of the invoice negative.
    """
    is_credit = charge.kind == Charge.Kind.CREDIT
    return is_credit and sum_invoice_charges(charge.invoice_stripe_id) < -charge.amount


def _send(charge: Charge) -> None:
    if _must_wait_for_usage(charge):
        if not _leave_closed_invoice(charge):
            work.release(charge, wait=_CREDIT_WAIT)
        return
    asked_at = timezone.now()
    try:
        item = _find_item_if_key_expired(charge) or _create_item(charge)
    except (gateway.Refused, gateway.Missing) as refused:
        _resolve_refusal(charge, refused)
    else:
        _finish(charge, item, at=asked_at)


def _find_item_if_key_expired(charge: Charge) -> gateway.InvoiceItem | None:
    """Return the item that an earlier attempt created; None if there is none.

    The invoice is searched only where the idempotency key is no protection any more:
    after `KEY_LIFETIME`, or after `TRUSTED_ATTEMPTS`. Without an item the key changes.
    """
    if charge.started_at is None:
        raise AssertionError("A claimed charge has a time of its first attempt.")
    is_old = timezone.now() - charge.started_at > KEY_LIFETIME
    if charge.attempts <= TRUSTED_ATTEMPTS and not is_old:
        return None
    item = _find_item(charge)
    if item is None:
        charge.started_at = timezone.now()
        charge.save(update_fields=["started_at"])
    return item


def _find_item(charge: Charge) -> gateway.InvoiceItem | None:
    items = gateway.list_invoice_items(invoice_id=charge.invoice_stripe_id)
    charge_id = str(charge.pk)
    return next((i for i in items if i.metadata.get(CHARGE) == charge_id), None)


def _create_item(charge: Charge) -> gateway.InvoiceItem:
    period = charge.period
    _check_not_waiting(charge)
    return gateway.create_invoice_item(
        customer_id=_find_customer_id(period.organization_id),
        invoice_id=charge.invoice_stripe_id,
        amount=charge.amount,
        currency=charge.currency,
        description=_description(charge),
        metadata={
            CHARGE: str(charge.pk),
            "orgdesk_period": str(charge.period_id),
            "orgdesk_product": charge.product,
        },
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        key=_idempotency_key(charge),
    )


def _check_not_waiting(charge: Charge) -> None:
    """Raise `Refused` if the item that a charge replaces waits for the next invoice.

    Stripe may detach an item from a draft that a person deletes. The customer would
    then pay for it twice.
    """
    if charge.attempt_number == 1:
        return
    replaced = Charge.objects.filter(decisions__new_charge=charge).first()
    if replaced and replaced.stripe_id and gateway.is_item_waiting(replaced.stripe_id):
        raise gateway.Refused(
            f"{replaced.stripe_id} still waits for the customer's next invoice. Delete"
            " it in Stripe, then retry.",
            code="item_waiting",
        )


def _idempotency_key(charge: Charge) -> str:
    """Return the idempotency key of a charge, the same for every attempt.

    It contains `started_at`, so it changes when that does: for another invoice, and
    after a search of the invoice that found no item.
    """
    return f"charge-{charge.pk}-{charge.started_at:%Y%m%d%H%M%S%f}"


def _find_customer_id(organization_id: int) -> str:
    account = BillingAccount.objects.filter(organization_id=organization_id).first()
    if account is None or not account.stripe_id:
        raise gateway.Refused("No Stripe customer is linked.", code="no_customer")
    return account.stripe_id


def _description(charge: Charge) -> str:
    if charge.kind == Charge.Kind.CREDIT:
        return "Credit"
    return "Other products" if charge.product == OTHER_PRODUCTS else charge.product


def _resolve_refusal(charge: Charge, refused: gateway.GatewayError) -> None:
    """Finish, fail or defer a charge that Stripe refused, by the invoice's state.

    A draft would have taken the item: the charge fails.
    """
    if not _leave_closed_invoice(charge):
        _fail(charge, refused.code, refused.message)


def _leave_closed_invoice(charge: Charge) -> bool:
    """Finish or defer a charge whose invoice is no draft; return whether it is none.

    Such an invoice either has the item from an earlier attempt, or the next draft
    gets it.
    """
    asked_at = timezone.now()
    try:
        is_draft = gateway.get_invoice(charge.invoice_stripe_id).status == _DRAFT
        item = None if is_draft else _find_item(charge)
    except gateway.Missing:
        is_draft, item = False, None
    if item:
        _finish(charge, item, at=asked_at)
    elif not is_draft:
        _defer_to_next_draft(charge)
    return not is_draft


@transaction.atomic
def _finish(charge: Charge, item: gateway.InvoiceItem, *, at: datetime) -> None:
    """Mark a charge done with its invoice item, and record its line as it was at `at`.

    A worker that lost its lease changes nothing: the worker that holds it now gets the
    same item, by the same key or by a search of the invoice.
    """
    if work.finish(charge, stripe_id=item.id):
        write_item(charge, item, at=at)


def _fail(charge: Charge, code: str, message: str) -> None:
    logger.error("charge_failed id=%s code=%s", charge.pk, code)
    work.fail(charge, code=code, message=message)


def _defer_to_next_draft(charge: Charge) -> None:
    """Take a charge off its invoice; `assign_draft` puts it on the next draft."""
    reason = f"Invoice {charge.invoice_stripe_id} takes no more items."
    logger.warning("charge_waits_for_draft id=%s", charge.pk)
    work.release(
        charge,
        wait=timedelta(),
        attempts=charge.attempts,
        invoice_stripe_id="",
        error_code=NO_DRAFT,
        error=f"{reason} Waits for the next draft invoice.",
    )


def _retry_later(charge: Charge, error: gateway.GatewayError) -> None:
    if not work.retry_later(charge, code=error.code, message=error.message):
        _fail(charge, error.code, error.message)
