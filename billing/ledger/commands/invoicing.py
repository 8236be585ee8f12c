"""A closed period's cost onto its invoice, exactly once: here the database's half.

Stripe makes a draft at the end of each cycle and finalizes it an hour later. What the
period used becomes rows of work in the transaction that closes it; they are sent after
it, see `billing.ledger.commands.charges`. Which invoice closes what:

- `subscription_cycle` of a platform subscription closes the open period. A yearly
  cycle has a yearly invoice, so its period is a year: usage is billed when Stripe
  bills, and what must be paid sooner is a question of limits. The invoice at a trial's
  end is one of these, too; the free balance pays then.
- `subscription_create` begins something: nothing was used yet, nothing closes. Nor do
  changes, manual invoices, or those of spaces: seats are not usage.
- While a subscription is paused its invoices are void. The period stays open, limits
  go on counting, and the first invoice after it bills all of it.
- A deleted organization used until it was deleted: closed and billed like any other.
- One that is not billable has its period closed and summed, and nothing charged.
- A canceled subscription has no draft any more: `close_for_end`.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from billing.errors import PeriodClosed
from billing.ledger.commands.credits import lock_account, use_balances
from billing.ledger.commands.periods import close_period
from billing.ledger.queries.charges import OTHER, waiting_charges
from billing.ledger.queries.credits import credit_balance
from billing.models import BillingAccount, BillingPeriod, Charge, Invoice, Subscription
from billing.models.mirrors import LIVE
from billing.money import ZERO, Bill, bill, exactly
from metrics.queries.products import product_costs

logger = logging.getLogger(__name__)
CYCLE = "subscription_cycle"
NO_DRAFT = (
    "no_draft"  # waits for the next one; so does what an invoice came too late for
)
MISMATCH = "currency_mismatch"
MOST_LINES = 200  # Stripe takes 250 items, its own lines among them


@transaction.atomic
def close_for_invoice(
    stripe_id: str, *, reason: str, subscription_id: str, period_ends_at: datetime
) -> BillingPeriod | None:
    """Close the period that a mirrored invoice bills, and write its charges.

    To be called for a draft, however often; answers the period if this call closed it.
    The period ends where the invoice says, but not later than now: usage is recorded
    into it until this moment. Null, and nothing is changed, when the invoice bills no
    usage, or the period was closed at that instant or after it already.

    Finalized meanwhile, it takes no more items: the charges wait for the next draft.
    """
    invoice = Invoice.objects.select_for_update().get(stripe_id=stripe_id)
    if reason != CYCLE or invoice.status == Invoice.Status.VOID:
        return None
    subscription = _platform(invoice.organization_id, subscription_id)
    if subscription is None or subscription.status == Subscription.Status.PAUSED:
        return None
    draft = stripe_id if invoice.status == Invoice.Status.DRAFT else ""
    if draft:
        take_waiting(invoice.organization_id, draft)
    if invoice.period_id is not None:
        return None
    period = _close(
        subscription, period_ends_at, draft=draft, currency=invoice.currency
    )
    if period is not None:
        invoice.period = period
        invoice.save(update_fields=["period"])
    return period


@transaction.atomic
def close_for_end(subscription_id: str, *, ended_at: datetime) -> BillingPeriod | None:
    """Close the period of an organization whose platform subscription was canceled.

    To be called when it is seen to end, however often; not for what ended long ago. Its
    charges wait for a draft, which Stripe does not make any more: we do, see
    `billing.ledger.commands.last_invoices`. Nothing closes while another one goes on.
    """
    found = Subscription.objects.filter(stripe_id=subscription_id).first()
    if found is None or found.kind != Subscription.Kind.PLATFORM:
        return None
    live = Subscription.objects.filter(
        organization_id=found.organization_id, kind=found.kind, status__in=LIVE
    )
    if live.exists():
        return None
    currency = found.organization.white_label.currency
    return _close(found, ended_at, draft="", currency=currency)


def _platform(organization_id: int, subscription_id: str) -> Subscription | None:
    """The invoice's own; one of another kind, or not mirrored yet, bills no usage."""
    rows = Subscription.objects.select_related("organization__white_label")
    found = rows.filter(
        organization_id=organization_id, stripe_id=subscription_id
    ).first()
    if found is None:
        logger.warning("invoice_without_subscription stripe_id=%s", subscription_id)
        return None
    return found if found.kind == Subscription.Kind.PLATFORM else None


def _close(
    subscription: Subscription, ends_at: datetime, *, draft: str, currency: str
) -> BillingPeriod | None:
    organization, now = subscription.organization, timezone.now()
    try:
        period = close_period(organization.id, ends_at=min(ends_at, now))
    except PeriodClosed:
        return None
    account = lock_account(organization.id)
    if organization.is_billable:
        _charge(period, account, subscription, draft=draft, invoiced_in=currency)
    if draft:
        account.last_invoice_at = now
        account.save(update_fields=["last_invoice_at"])
    return period


def _charge(
    period: BillingPeriod,
    account: BillingAccount,
    subscription: Subscription,
    *,
    draft: str,
    invoiced_in: str,
) -> None:
    """Balances pay, the rest becomes charges; all in the caller's transaction."""
    currency = subscription.organization.white_label.currency
    costs = _together(product_costs(period.organization_id, number=period.number))
    made = bill(
        costs,
        currency,
        free_balance=_paying(account, subscription, period),
        credit=credit_balance(period.organization_id),
    )
    period.free_balance_used = made.free_balance_used
    period.credit_used = made.credit_used
    period.save(update_fields=["free_balance_used", "credit_used"])
    use_balances(account, period)
    charges = _charges(period, made, costs, currency)
    for charge in charges:
        _send_to(charge, draft, invoiced_in)
    Charge.objects.bulk_create(charges)


def _paying(
    account: BillingAccount, subscription: Subscription, period: BillingPeriod
) -> Decimal:
    """The free balance, of a period that lies in the trial and of no other."""
    trial, end = subscription.trial_ends_at, period.ends_at
    is_in_trial = trial is not None and end is not None and end <= trial
    return account.free_balance if is_in_trial else ZERO


def _together(costs: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Those that cost something, the cheapest as one line where they are too many."""
    costly = [(product, cost) for product, cost in costs.items() if cost]
    costly.sort(key=lambda item: (-item[1], item[0]))
    if len(costly) <= MOST_LINES:
        return dict(costly)
    with exactly():
        rest = sum((cost for _, cost in costly[MOST_LINES - 1 :]), ZERO)
    return dict(costly[: MOST_LINES - 1]) | {OTHER: rest}


def _charges(
    period: BillingPeriod, made: Bill, costs: Mapping[str, Decimal], currency: str
) -> list[Charge]:
    charges = [
        Charge(
            period=period,
            product=product,
            cost=costs[product],
            amount=amount,
            currency=currency,
        )
        for product, amount in sorted(made.lines.items())
    ]
    if made.credit_used:
        kind, amount = Charge.Kind.CREDIT, -made.credit_used
        charges.append(
            Charge(period=period, kind=kind, cost=0, amount=amount, currency=currency)
        )
    return charges


def _send_to(charge: Charge, draft: str, invoiced_in: str) -> None:
    """Nothing to charge is done at once; another currency is for people to resolve."""
    charge.invoice_stripe_id = draft
    if not charge.amount:
        charge.state, charge.finished_at = Charge.State.DONE, timezone.now()
    elif charge.currency != invoiced_in:
        charge.state, charge.finished_at = Charge.State.FAILED, timezone.now()
        charge.error_code = MISMATCH
        charge.error = f"The invoice is in {invoiced_in}, usage in {charge.currency}."
    elif not draft:
        charge.error_code = NO_DRAFT
        charge.error = "Waits for the next draft of an invoice."


def take_waiting(organization_id: int, draft: str) -> None:
    """What came too late for an earlier invoice goes on this one."""
    waiting_charges(period__organization_id=organization_id).update(
        invoice_stripe_id=draft,
        next_attempt_at=timezone.now(),
        started_at=None,  # another invoice, another request: a key of its own
        attempts=0,
        error_code="",
        error="",
    )
