"""A closed period's cost onto its invoice, exactly once: the half that speaks.

A charge is a row before it is a request. Whoever claims it holds a lease; the request
has a key made of the row, so that a second one is given the first one's answer:

1. claim: state, attempt, lease and the instant of the first try, committed;
2. a charge whose key may be forgotten is looked for on the invoice first;
3. ask Stripe for the invoice item, no transaction open;
4. mark it done with the item's id.

Killed after any of these, the sweep does it again when the lease is over: the key, or
the look at the invoice, sees to it that there is one item. A refusal is looked into: an
invoice that takes no more items leaves the charge to the next draft, anything else is
shown to people, and sent again by them (`retry_charge`).
"""

import logging
from datetime import timedelta

from django.utils import timezone

from billing import gateway
from billing.errors import NotFailed
from billing.ledger.commands.invoicing import NO_DRAFT
from billing.ledger.queries.charges import OTHER, due_charges, sent_usage
from billing.models import BillingAccount, Charge
from orgs.commands import work
from orgs.models.work import DatabaseClock

logger = logging.getLogger(__name__)
CHARGE = "orgdesk_charge"  # in the metadata of an item: the id of our row
KEY_LASTS = timedelta(hours=23)  # Stripe forgets after 24
TRUSTED_ATTEMPTS = 5  # then the same answer would be replayed for the key again
_CREDIT_WAIT = timedelta(minutes=5)
_DRAFT = "draft"


def send_charges(period_id: int) -> None:
    """Send what is due of a period; the rest waits when Stripe does not answer."""
    ids = due_charges(period_id=period_id).order_by("-kind", "id")
    for charge_id in list(ids.values_list("id", flat=True)):
        if not send_charge(charge_id):
            return


def send_charge(charge_id: int) -> bool:
    """Put a charge on its invoice, if it is due; whether Stripe answers at all."""
    charge = _claim(charge_id)
    if charge is None:
        return True
    if charge.is_exhausted:
        _fail(charge, "worker_died", "Its workers died: see whether it is invoiced.")
        return True
    try:
        _send(charge)
    except gateway.GatewayError as error:
        _try_later(charge, error)
        return not error.is_retryable
    return True


def retry_charge(charge_id: int) -> None:
    """Send a failed one again; the invoice is looked at first. Raises `NotFailed`."""
    failed = Charge.objects.filter(pk=charge_id, state=Charge.State.FAILED)
    if not work.restart(failed, attempts=TRUSTED_ATTEMPTS):
        raise NotFailed("Only failed charges can be retried.")


def _claim(charge_id: int) -> Charge | None:
    """Take a charge under a lease, unless another worker has it or it must wait."""
    due = due_charges(pk=charge_id)
    charge = due.first()
    if charge is None:
        return None
    if _has_to_wait(charge):
        due.update(next_attempt_at=DatabaseClock() + _CREDIT_WAIT)
        return None
    rows = Charge.objects.exclude(invoice_stripe_id="").select_related("period")
    return work.claim(rows, charge_id)


def _has_to_wait(charge: Charge) -> bool:
    """A credit, until as much usage is charged: nobody's invoice goes below zero."""
    is_credit = charge.kind == Charge.Kind.CREDIT
    return is_credit and sent_usage(charge.period_id) < -charge.amount


# --- the request --------------------------------------------------------------------


def _send(charge: Charge) -> None:
    try:
        item_id = _find_if_doubtful(charge) or _create(charge)
    except (gateway.Refused, gateway.Missing) as refused:
        _look_into(charge, refused)
    else:
        _done(charge, item_id)


def _find_if_doubtful(charge: Charge) -> str:
    """The item that is there already, where the key does not tell; else another key."""
    if charge.started_at is None:
        raise AssertionError("claimed")
    is_old = timezone.now() - charge.started_at > KEY_LASTS
    if charge.attempts <= TRUSTED_ATTEMPTS and not is_old:
        return ""
    found = _find(charge)
    if not found:
        charge.started_at = timezone.now()
        charge.save(update_fields=["started_at"])
    return found


def _find(charge: Charge) -> str:
    items = gateway.list_invoice_items(invoice_id=charge.invoice_stripe_id)
    wanted = str(charge.pk)
    return next((i.id for i in items if i.metadata.get(CHARGE) == wanted), "")


def _create(charge: Charge) -> str:
    period = charge.period
    item = gateway.create_invoice_item(
        customer_id=_customer(period.organization_id),
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
        key=_key(charge),
    )
    return item.id


def _key(charge: Charge) -> str:
    """The same for every try at it, until another request is meant.

    Another invoice, or a look at this one that did not find the item, begins anew:
    then `started_at` is another.
    """
    return f"charge-{charge.pk}-{charge.started_at:%Y%m%d%H%M%S%f}"


def _customer(organization_id: int) -> str:
    account = BillingAccount.objects.filter(organization_id=organization_id).first()
    if account is None or not account.stripe_id:
        raise gateway.Refused("No Stripe customer is linked.", code="no_customer")
    return account.stripe_id


def _description(charge: Charge) -> str:
    if charge.kind == Charge.Kind.CREDIT:
        return "Credit"
    return "Other products" if charge.product == OTHER else charge.product


# --- what became of it --------------------------------------------------------------


def _look_into(charge: Charge, refused: gateway.GatewayError) -> None:
    """An invoice that is no draft any more: it has the item, or the next one will."""
    try:
        is_draft = gateway.get_invoice(charge.invoice_stripe_id).status == _DRAFT
        found = "" if is_draft else _find(charge)
    except gateway.Missing:
        is_draft, found = False, ""
    if found:
        _done(charge, found)
    elif is_draft:
        _fail(charge, refused.code, refused.message)
    else:
        _leave(charge)


def _done(charge: Charge, item_id: str) -> None:
    """Mark it done with the id of its invoice item.

    A worker that lost its lease leaves that to the one that has it now: the same key,
    or a look at the invoice, gives that one the same item.
    """
    work.finish(charge, stripe_id=item_id)


def _fail(charge: Charge, code: str, message: str) -> None:
    logger.error("charge_failed id=%s code=%s", charge.pk, code)
    work.give_up(charge, code=code, message=message)


def _leave(charge: Charge) -> None:
    """Leave it without an invoice; `close_for_invoice` puts it on the next draft."""
    late = f"Invoice {charge.invoice_stripe_id} takes no more items."
    logger.warning("charge_waits_for_draft id=%s", charge.pk)
    work.release(
        charge,
        wait=timedelta(),
        attempts=charge.attempts,
        invoice_stripe_id="",
        error_code=NO_DRAFT,
        error=f"{late} Waits for the next draft of an invoice.",
    )


def _try_later(charge: Charge, error: gateway.GatewayError) -> None:
    if not work.retry_later(charge, code=error.code, message=error.message):
        _fail(charge, error.code, error.message)
