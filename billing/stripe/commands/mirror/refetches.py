"""Refetches: ask Stripe for one object and what it needs, then mirror them.

Every request to Stripe is made between transactions, never inside one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from django.utils import timezone

from billing import gateway
from billing.ledger.commands.invoicing import CYCLE_REASON
from billing.models import Charge, Invoice, Subscription
from billing.models.mirrors import LIVE
from billing.stripe.commands.mirror.adjustments import mirror_adjustments
from billing.stripe.commands.mirror.customers import mirror_customers
from billing.stripe.commands.mirror.deletions import (
    delete_invoice,
    mark_subscription_deleted,
)
from billing.stripe.commands.mirror.fetches import FetchContext, Outcome
from billing.stripe.commands.mirror.invoices import mirror_invoices
from billing.stripe.commands.mirror.owners import find_owners
from billing.stripe.commands.mirror.period_closing import (
    close_billed_periods,
    close_periods_of_terms,
    close_removed_platforms,
)
from billing.stripe.commands.mirror.prices import find_prices, mirror_prices
from billing.stripe.commands.mirror.subscriptions import mirror_subscriptions
from billing.stripe.commands.mirror.unreadable import (
    UnreadableObject,
    record_errors,
    record_malformed,
    record_unreadable,
)


def refetch_customer(id_: str, *, by: str = "") -> Outcome:
    """Mirror a customer, also a deleted one; raise `Missing` if it never existed."""
    context = FetchContext(timezone.now(), by)
    return mirror_customers([gateway.get_customer(id_)], context)


def refetch_subscription(id_: str, *, by: str = "") -> Outcome:
    """Mirror a subscription, and close its period where its terms changed.

    Raises `Missing` if neither Stripe nor Orgdesk has it; if only Orgdesk has it, it
    has ended.
    """
    context = FetchContext(timezone.now(), by)
    try:
        subscription = gateway.get_subscription(id_)
    except gateway.Missing:
        return mark_subscription_deleted(id_, context)
    fetch_prices_and_customers([subscription], context)
    outcome = mirror_subscriptions([subscription], context)
    for customer_id in sorted(outcome.duplicate_customers):
        outcome.add(mirror_all_subscriptions(customer_id, context))
    _close_terms(outcome)
    return outcome


def _close_terms(outcome: Outcome) -> None:
    """Close the periods of all subscriptions that were mirrored, the oldest first."""
    subscriptions = {item.id: item for item in outcome.subscriptions}
    for item in sorted(subscriptions.values(), key=lambda item: item.created_at):
        close_periods_of_terms(item)
    close_removed_platforms(outcome.removed_platforms)


def refetch_invoice(id_: str, *, by: str = "") -> Outcome:
    """Mirror an invoice and close the period that it bills.

    Raises `Missing` if Stripe does not have it and it is no draft of Orgdesk's either:
    only drafts can be deleted.
    """
    context = FetchContext(timezone.now(), by)
    try:
        invoice = gateway.get_invoice(id_)
    except gateway.Missing:
        return delete_invoice(id_, context)
    if invoice.latest_revision_id:
        # Mirrored first: charges that are on the invoice that replaces this one are
        # not lost.
        refetch_invoice(invoice.latest_revision_id, by=by)
    fetch_unlinked_customers({invoice.customer_id}, context)
    outcome = mirror_invoices([invoice], context)
    for closing_invoice in outcome.closing_invoices:
        _fetch_subscription_of(closing_invoice, by)
    close_billed_periods(outcome.closing_invoices)
    return outcome


def _fetch_subscription_of(invoice: gateway.Invoice, by: str) -> None:
    """Mirror the subscription of a draft if Orgdesk's may be out of date.

    No period can be billed without it, and its events may be lost or still on their
    way. The draft of a change takes the charges of the period that the change closes,
    so the change has to be known first.
    """
    id_ = invoice.subscription_id
    is_changed = invoice.billing_reason != CYCLE_REASON
    if id_ and (is_changed or not Subscription.objects.filter(stripe_id=id_).exists()):
        refetch_subscription(id_, by=by)


def refetch_paid_invoice(payment_id: str, *, by: str = "") -> Outcome:
    """Mirror the invoice that an invoice payment is for, also one paid in part."""
    return refetch_invoice(gateway.find_paid_invoice(payment_id), by=by)


def refetch_credit_note(id_: str, *, by: str = "") -> Outcome:
    """Mirror a credit note, and the invoice that owes less or was paid back."""
    context = FetchContext(timezone.now(), by)
    note = gateway.get_credit_note(id_)
    outcome = _mirror_adjustments([note], context)
    outcome.add(refetch_invoice(note.invoice_id, by=by))
    return outcome


def refetch_refund(id_: str, *, by: str = "") -> Outcome:
    """Mirror a refund."""
    context = FetchContext(timezone.now(), by)
    return _mirror_adjustments([gateway.get_refund(id_)], context)


def refetch_refunds_of(charge_id: str, *, by: str = "") -> Outcome:
    """Mirror all refunds of a charge."""
    outcome, after = Outcome(), ""
    while True:
        context = FetchContext(timezone.now(), by)
        page = gateway.list_refunds(charge_id=charge_id, after=after)
        record_malformed(page, context)
        outcome.add(_mirror_adjustments(page.items, context))
        if not (after := page.next_cursor):
            return outcome


def refetch_dispute(id_: str, *, by: str = "") -> Outcome:
    """Mirror a dispute."""
    context = FetchContext(timezone.now(), by)
    return _mirror_adjustments([gateway.get_dispute(id_)], context)


def _mirror_adjustments(
    adjustments: Sequence[gateway.Adjustment], context: FetchContext
) -> Outcome:
    """Mirror what was just fetched; its customers are fetched if they are unknown."""
    customers = {adjustment.customer_id for adjustment in adjustments}
    fetch_unlinked_customers(customers, context)
    return mirror_adjustments(adjustments, context)


def refetch_price(id_: str, *, by: str = "") -> Outcome:
    """Mirror a price; a deleted one was never sold, so nothing is done for it."""
    context = FetchContext(timezone.now(), by)
    try:
        price = gateway.get_price(id_)
    except gateway.Missing:
        return Outcome()
    return Outcome(written=mirror_prices([price], context))


def refetch_product(id_: str, *, by: str = "") -> Outcome:
    """Mirror all prices of a product, which carry its kind and tier."""
    outcome, after = Outcome(), ""
    while True:
        context = FetchContext(timezone.now(), by)
        page = gateway.list_prices(product_id=id_, after=after)
        record_malformed(page, context)
        outcome.written += mirror_prices(page.items, context)
        if not (after := page.next_cursor):
            return outcome


def refetch_all_of(customer_id: str, *, by: str = "") -> Outcome:
    """Mirror everything of a customer, for example after it was linked."""
    outcome = refetch_customer(customer_id, by=by)
    if not outcome.unlinked_customers:
        context = FetchContext(timezone.now(), by)
        outcome.add(mirror_all_subscriptions(customer_id, context))
        _close_terms(outcome)
        outcome.add(_refetch_invoices(customer_id, by))
    return outcome


def _refetch_invoices(customer_id: str, by: str) -> Outcome:
    """Mirror all invoices of a customer, then close the periods that they bill."""
    outcome, after = Outcome(), ""
    while True:
        context = FetchContext(timezone.now(), by)
        page = gateway.list_invoices(customer_id=customer_id, after=after)
        record_malformed(page, context)
        invoices, malformed = fetch_all_lines(page.items)
        outcome.add(mirror_invoices(invoices, context))
        record_errors(malformed, context)
        if not (after := page.next_cursor):
            break
    close_billed_periods(outcome.closing_invoices)
    return outcome


def fetch_all_lines(
    invoices: Sequence[gateway.Invoice],
) -> tuple[list[gateway.Invoice], list[gateway.Malformed]]:
    """Return invoices with all lines where they may carry charges, and the errors.

    Lists have the first ten lines of each. An invoice is fetched once more if it
    carries charges and its lines can have changed since they were read, or a credit
    note took some of them off. One that cannot be read then stays as it was listed.
    Record the errors after the invoices are mirrored, which resolves earlier ones.
    """
    needed, malformed = _list_needed(invoices), list[gateway.Malformed]()
    whole: dict[str, gateway.Invoice] = {}
    for invoice in invoices:
        try:
            if invoice.id in needed:
                whole[invoice.id] = gateway.get_invoice(invoice.id)
        except gateway.Malformed as error:
            error.stripe_id, error.customer_id = invoice.id, invoice.customer_id
            malformed.append(error)
    return [whole.get(invoice.id, invoice) for invoice in invoices], malformed


def _list_needed(invoices: Sequence[gateway.Invoice]) -> set[str]:
    """Return the invoices whose further lines have to be read."""
    ids = [invoice.id for invoice in invoices if invoice.has_more_lines]
    if not ids:
        return set()
    final = Invoice.objects.filter(stripe_id__in=ids, has_final_lines=True)
    charged = Charge.objects.filter(invoice_stripe_id__in=ids)
    needed = set(charged.values_list("invoice_stripe_id", flat=True))
    credited = {
        invoice.id
        for invoice in invoices
        if invoice.credited_before_payment or invoice.credited_after_payment
    }
    return needed - (set(final.values_list("stripe_id", flat=True)) - credited)


def fetch_prices_and_customers(
    subscriptions: Iterable[gateway.Subscription], context: FetchContext
) -> None:
    """Fetch the prices and customers that a single subscription needs.

    Raises `Malformed` or `Missing` if one of them cannot be read.
    """
    subscriptions = list(subscriptions)
    customer_ids = {subscription.customer_id for subscription in subscriptions}
    fetch_unlinked_customers(customer_ids, context)
    for id_ in _list_unseen_prices(subscriptions):
        _fetch_price(id_, context)


def fetch_prices(
    subscriptions: Iterable[gateway.Subscription], context: FetchContext
) -> None:
    """Fetch the prices of many subscriptions that Orgdesk does not have yet.

    A price that cannot be read stays unknown, and its subscriptions get a warning.
    """
    for id_ in _list_unseen_prices(subscriptions):
        try:
            _fetch_price(id_, context)
        except gateway.Malformed as error:
            record_unreadable([UnreadableObject(id_, str(error))], context)
        except gateway.Missing:
            continue


def _list_unseen_prices(subscriptions: Iterable[gateway.Subscription]) -> list[str]:
    """Return the prices of the subscriptions that are not mirrored yet."""
    ids = {
        item.price_id for subscription in subscriptions for item in subscription.items
    }
    return sorted(ids - set(find_prices(ids)))


def _fetch_price(id_: str, context: FetchContext) -> None:
    # Without the run, so that subscriptions get the price's tier at once.
    mirror_prices([gateway.get_price(id_)], replace(context, run_id=None))


def fetch_unlinked_customers(
    customer_ids: Iterable[str], context: FetchContext
) -> None:
    """Fetch the customers that have no owner and link those that name one."""
    ids = {id_ for id_ in customer_ids if id_}
    for id_ in sorted(ids - set(find_owners(ids))):
        mirror_customers([gateway.get_customer(id_)], context)


def mirror_all_subscriptions(customer_id: str, context: FetchContext) -> Outcome:
    """Mirror all subscriptions of a customer at once.

    Only then can it be decided which of two duplicate live ones is used.
    """
    context, after = replace(context, at=timezone.now()), ""
    subscriptions: list[gateway.Subscription] = []
    while True:
        page = gateway.list_subscriptions(customer_id=customer_id, after=after)
        record_malformed(page, context)
        subscriptions += page.items
        if not (after := page.next_cursor):
            break
    listed = {subscription.id for subscription in subscriptions}
    subscriptions += _fetch_unlisted(customer_id, listed, context)
    fetch_prices(subscriptions, context)
    return mirror_subscriptions(subscriptions, context, is_all=True)


def _fetch_unlisted(
    customer_id: str, listed: set[str], context: FetchContext
) -> list[gateway.Subscription]:
    """Fetch the owner's live subscriptions that Stripe did not list.

    They belong to another customer, or they were deleted; then their rows are canceled.
    """
    owner = find_owners([customer_id]).get(customer_id)
    if owner is None:
        return []
    unlisted = Subscription.objects.filter(
        organization_id=owner.organization_id, status__in=LIVE
    ).exclude(stripe_id__in=listed)
    subscriptions = []
    for stripe_id in sorted(set(unlisted.values_list("stripe_id", flat=True))):
        try:
            subscriptions.append(gateway.get_subscription(stripe_id))
        except gateway.Missing:
            mark_subscription_deleted(stripe_id, context)
    return subscriptions
