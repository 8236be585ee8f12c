"""Commands that close a period for an invoice and write its charges, exactly once.

This is the database's half; `billing.ledger.commands.charges` talks to Stripe. Stripe
creates a draft at the end of each cycle and finalizes it an hour later. The usage of
the period becomes charges in the transaction that closes it; they are sent after it
commits. Which invoices close a period:

- `subscription_cycle` of a platform subscription closes the open period. The invoice at
  the end of a trial is one of these, too; the free balance pays then.
- `subscription_update` closes nothing by itself: the change of terms does, see
  `billing.ledger.commands.terms`. Its draft, if Stripe leaves one, takes charges that
  wait.
- `subscription_create` closes nothing: nothing was used yet. Nor do thresholds, quotes,
  manual invoices, or invoices for spaces: seats are not usage.
- While a subscription is paused, its invoices are void. The period stays open, limits
  go on counting, and the first invoice afterwards bills all of it.
- The period of a deleted organization is closed and billed like any other.
- The period of an organization that is not billable is closed and summed, and nothing
  is charged.
- A canceled subscription gets no draft any more: `close_period_for_cancellation`.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from billing.errors import PeriodClosed
from billing.ledger.commands.credits import lock_account, use_balances
from billing.ledger.commands.periods import close_period
from billing.ledger.queries.charges import OTHER_PRODUCTS, charges_awaiting_draft
from billing.ledger.queries.credits import credit_balance
from billing.models import BillingAccount, BillingPeriod, Charge, Invoice, Subscription
from billing.models.mirrors import LIVE
from billing.money import ZERO, Bill, compute_bill, exactly
from billing.signals import charges_ready, charges_waiting, periods_closed
from metrics.queries.products import product_costs

logger = logging.getLogger(__name__)
CYCLE_REASON = "subscription_cycle"  # Stripe's billing reason of a cycle's invoice
# Reasons of the invoices whose drafts take charges.
DRAFT_REASONS = (CYCLE_REASON, "subscription_update")
# Error code of a charge that waits for the next draft: the period closed without one,
# or its invoice was finalized before the charge was sent.
NO_DRAFT = "no_draft"
CURRENCY_MISMATCH = "currency_mismatch"
MAX_LINES = 200  # Stripe takes 250 items an invoice, including its own lines


@transaction.atomic
def close_period_for_invoice(
    stripe_id: str, *, reason: str, subscription_id: str, period_ends_at: datetime
) -> BillingPeriod | None:
    """Close the period that a mirrored invoice bills, and write its charges.

    Call it for each draft, any number of times; it returns the period if this call
    closed it. The period ends at `period_ends_at`, but not later than now, because
    usage is recorded into it until this moment. Return None and change nothing if the
    invoice bills no usage, or if the period was closed at or after that time already.

    An invoice that is no draft any more takes no items: the charges wait for the next.
    """
    # The lock of the invoice makes two handlers of its events take turns: the second
    # one sees that the invoice has its period.
    invoice = Invoice.objects.select_for_update().get(stripe_id=stripe_id)
    if reason not in DRAFT_REASONS or invoice.status == Invoice.Status.VOID:
        return None
    subscription = _find_platform_subscription(invoice.organization_id, subscription_id)
    if subscription is None or subscription.status == Subscription.Status.PAUSED:
        return None
    draft = stripe_id if invoice.status == Invoice.Status.DRAFT else ""
    if draft:
        assign_draft(invoice.organization_id, draft)
    if invoice.period_id is not None or reason != CYCLE_REASON:
        return None
    period = _close_and_charge(
        subscription,
        period_ends_at,
        key=f"invoice-{stripe_id}",
        draft=draft,
        currency=invoice.currency,
    )
    billed = period or _find_unbilled(invoice.organization_id, period_ends_at)
    if billed is not None:
        invoice.period = billed
        invoice.save(update_fields=["period"])
    return period


def _find_unbilled(organization_id: int, ends_at: datetime) -> BillingPeriod | None:
    """Return the period that a change of terms closed at the end of this cycle."""
    rows = BillingPeriod.objects.filter(organization_id=organization_id)
    return rows.filter(ends_at=ends_at, invoice=None).first()


@transaction.atomic
def close_period_for_cancellation(
    subscription_id: str, *, ended_at: datetime
) -> BillingPeriod | None:
    """Close the period of an organization whose platform subscription was canceled.

    Call it when the subscription is seen to end, any number of times; not for one that
    ended long ago. Usage from then on moves to the next period. Its charges wait for a
    draft, which Stripe does not create any more: Orgdesk does, see
    `billing.ledger.commands.usage_invoices`. Return None and change nothing while the
    organization has another live platform subscription.
    """
    platform = Subscription.objects.filter(kind=Subscription.Kind.PLATFORM)
    subscription = platform.filter(stripe_id=subscription_id).first()
    if subscription is None:
        return None
    organization = subscription.organization
    live = Subscription.objects.filter(
        organization=organization, kind=subscription.kind, status__in=LIVE
    )
    if live.exists():
        return None
    currency = organization.white_label.currency
    return _close_and_charge(
        subscription,
        ended_at,
        key=f"canceled-{subscription_id}-{ended_at.astimezone(UTC):%Y%m%dT%H%M%S}",
        draft="",
        currency=currency,
        splits=True,
    )


def _find_platform_subscription(
    organization_id: int, subscription_id: str
) -> Subscription | None:
    """Return the subscription of an invoice if it is one that bills usage.

    None for a subscription of another kind, and for one that is not mirrored yet.
    """
    rows = Subscription.objects.select_related("organization__white_label").filter(
        organization_id=organization_id, stripe_id=subscription_id
    )
    if not rows:
        logger.warning("invoice_without_subscription stripe_id=%s", subscription_id)
    platform = (row for row in rows if row.kind == Subscription.Kind.PLATFORM)
    return next(platform, None)


def _close_and_charge(
    subscription: Subscription,
    ends_at: datetime,
    *,
    key: str,
    draft: str,
    currency: str,
    splits: bool = False,
) -> BillingPeriod | None:
    # Where the terms change, the period is split as a change of terms splits it: it
    # must not matter which of Stripe's events is handled first.
    terms = (subscription.trial_ends_at, subscription.cycle_anchor_at)
    try:
        period = close_period(
            subscription.organization_id,
            ends_at=min(ends_at, timezone.now()),
            key=key,
            splits=splits or ends_at in terms,
        )
    except PeriodClosed:
        return None
    charge_period(period, subscription, draft=draft, invoice_currency=currency)
    return period


def charge_period(
    period: BillingPeriod,
    subscription: Subscription,
    *,
    draft: str,
    invoice_currency: str,
) -> None:
    """Use the balances of an account for a closed period and charge the rest.

    Call it in the transaction that closes the period. Nothing is charged to an
    organization that is not billable.
    """
    organization = subscription.organization
    account = lock_account(organization.id)
    if organization.is_billable:
        _write_charges(
            period,
            account,
            subscription,
            draft=draft,
            invoice_currency=invoice_currency,
        )
    if draft:
        account.last_invoice_at = timezone.now()
        account.save(update_fields=["last_invoice_at"])
    periods_closed.send(BillingPeriod, period_ids=[period.pk])


def _write_charges(
    period: BillingPeriod,
    account: BillingAccount,
    subscription: Subscription,
    *,
    draft: str,
    invoice_currency: str,
) -> None:
    currency = subscription.organization.white_label.currency
    costs = _merge_cheapest(product_costs(period.organization_id, number=period.number))
    bill = compute_bill(
        costs,
        currency,
        free_balance=_usable_free_balance(account, subscription, period),
        credit=credit_balance(period.organization_id),
    )
    period.free_balance_used = bill.free_balance_used
    period.credit_used = bill.credit_used
    period.save(update_fields=["free_balance_used", "credit_used"])
    use_balances(account, period)
    charges = _build_charges(period, bill, costs, currency)
    for charge in charges:
        _set_first_state(charge, draft, invoice_currency)
    Charge.objects.bulk_create(charges)
    if draft:
        charges_ready.send(Charge, period_ids=[period.pk])
    else:
        charges_waiting.send(Charge, organization_ids=[period.organization_id])


def _usable_free_balance(
    account: BillingAccount, subscription: Subscription, period: BillingPeriod
) -> Decimal:
    """Return the free balance if the period ends within the trial, else 0.

    One that ends where the trial starts was split off before it.
    """
    start, trial = subscription.trial_starts_at, subscription.trial_ends_at
    end = period.ends_at
    is_in_trial = trial is not None and end is not None and end <= trial
    is_before = start is not None and end is not None and end <= start
    return account.free_balance if is_in_trial and not is_before else ZERO


def _merge_cheapest(costs: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return the costs above 0, the cheapest of them summed up to fit `MAX_LINES`."""
    lines = [(product, cost) for product, cost in costs.items() if cost]
    lines.sort(key=lambda line: (-line[1], line[0]))
    if len(lines) <= MAX_LINES:
        return dict(lines)
    with exactly():
        rest = sum((cost for _, cost in lines[MAX_LINES - 1 :]), ZERO)
    return dict(lines[: MAX_LINES - 1]) | {OTHER_PRODUCTS: rest}


def _build_charges(
    period: BillingPeriod, bill: Bill, costs: Mapping[str, Decimal], currency: str
) -> list[Charge]:
    charges = [
        Charge(
            period=period,
            product=product,
            cost=costs[product],
            amount=amount,
            currency=currency,
        )
        for product, amount in sorted(bill.lines.items())
    ]
    if bill.credit_used:
        kind, amount = Charge.Kind.CREDIT, -bill.credit_used
        charges.append(
            Charge(period=period, kind=kind, cost=0, amount=amount, currency=currency)
        )
    return charges


def _set_first_state(charge: Charge, draft: str, invoice_currency: str) -> None:
    """Set the invoice and the first state of a new charge.

    An amount of 0 is done without a request. An invoice in another currency fails the
    charge: staff have to resolve that.
    """
    charge.invoice_stripe_id = draft
    if not charge.amount:
        charge.state, charge.finished_at = Charge.State.DONE, timezone.now()
    elif charge.currency != invoice_currency:
        charge.state, charge.finished_at = Charge.State.FAILED, timezone.now()
        charge.error_code = CURRENCY_MISMATCH
        charge.error = (
            f"The invoice is in {invoice_currency}, usage in {charge.currency}."
        )
    elif not draft:
        charge.error_code = NO_DRAFT
        charge.error = "Waits for the next draft invoice."


def assign_draft(organization_id: int, draft: str) -> None:
    """Put every charge of an organization that waits for a draft on this one."""
    waiting = charges_awaiting_draft(period__organization_id=organization_id)
    period_ids = sorted(set(waiting.values_list("period_id", flat=True)))
    waiting.update(
        invoice_stripe_id=draft,
        next_attempt_at=timezone.now(),
        started_at=None,  # a request for another invoice needs another key
        attempts=0,
        error_code="",
        error="",
    )
    if period_ids:
        charges_ready.send(Charge, period_ids=period_ids)
