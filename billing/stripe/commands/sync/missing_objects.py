"""Objects of Orgdesk that a sync run did not see in Stripe's lists.

Each is asked for by its id, because it may have been deleted. If a run saw no object of
Orgdesk at all, the key belongs to another Stripe account: then nothing is marked as
deleted, and every customer gets a warning.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from billing import gateway
from billing.models import BillingAccount, Invoice, Subscription, SyncRun, SyncSeen
from billing.models.mirrors import LIVE
from billing.stripe.commands.mirror.customers import deleted_customer, mirror_customers
from billing.stripe.commands.mirror.deletions import (
    delete_invoice,
    mark_subscription_deleted,
)
from billing.stripe.commands.mirror.fetches import (
    FetchContext,
    Outcome,
    record_differences,
)
from billing.stripe.commands.mirror.invoices import mirror_invoices
from billing.stripe.commands.mirror.owners import find_owners
from billing.stripe.commands.mirror.subscriptions import mirror_subscriptions

MAX_REQUESTS = 1_000  # per stage of a run; the next run asks for the rest


def check_missing(run: SyncRun, context: FetchContext) -> Iterator[Outcome]:
    """Ask Stripe for the unseen objects of the run's stage.

    Yields one outcome per object, so that the caller can renew its lease in between.
    """
    check = _CHECKS.get(run.stage)
    if check is not None:
        yield from islice(check(run, context), MAX_REQUESTS)


def _is_unseen(run: SyncRun, field: str) -> Any:
    """Return the condition that the run did not see an object."""
    return ~Exists(SyncSeen.objects.filter(run=run, stripe_id=OuterRef(field)))


def _check_customers(run: SyncRun, context: FetchContext) -> Iterator[Outcome]:
    accounts = BillingAccount.objects.filter(
        _is_unseen(run, "stripe_id"),
        organization__white_label_id=run.white_label_id,
        stripe_id__isnull=False,
    )
    ids = [id_ for id_ in accounts.values_list("stripe_id", flat=True) if id_]
    if not _is_known_account(run):
        yield _warn_of_deleted(ids, context)
        return
    for id_ in ids:
        try:
            yield mirror_customers([gateway.get_customer(id_)], context)
        except gateway.Missing:
            yield _warn_of_deleted([id_], context)
        except gateway.Malformed:
            continue  # it exists, and was counted as an error where it was listed


@transaction.atomic
def _warn_of_deleted(customer_ids: list[str], context: FetchContext) -> Outcome:
    """Record a warning for each linked customer that Stripe does not have."""
    owners = find_owners(customer_ids)
    warnings = [deleted_customer(id_, owner, context) for id_, owner in owners.items()]
    count = record_differences(warnings, customer_ids, context)
    return Outcome(discrepancy_count=count)


def _check_subscriptions(run: SyncRun, context: FetchContext) -> Iterator[Outcome]:
    rows = Subscription.objects.filter(
        _is_unseen(run, "stripe_id"),
        white_label_id=run.white_label_id,
        status__in=LIVE,
    )
    if not _is_known_account(run):
        return
    for id_ in sorted(set(rows.values_list("stripe_id", flat=True))):
        try:
            subscription = gateway.get_subscription(id_)
        except gateway.Missing:
            yield mark_subscription_deleted(id_, context)
        except gateway.Malformed:
            continue
        else:
            yield mirror_subscriptions([subscription], context)


def _check_invoices(run: SyncRun, context: FetchContext) -> Iterator[Outcome]:
    rows = Invoice.objects.filter(
        _is_unseen(run, "stripe_id"),
        white_label_id=run.white_label_id,
        status__in=[Invoice.Status.DRAFT, Invoice.Status.OPEN],
    )
    if not _is_known_account(run):
        return
    for id_ in list(rows.values_list("stripe_id", flat=True)):
        try:
            invoice = gateway.get_invoice(id_)
        except gateway.Missing:
            yield delete_invoice(id_, context)
        except gateway.Malformed:
            continue
        else:
            yield mirror_invoices([invoice], context)


def _is_known_account(run: SyncRun) -> bool:
    """Return whether the run saw any object of Orgdesk in this Stripe account."""
    return SyncSeen.objects.filter(run=run).exists()


_CHECKS: Mapping[str, Callable[[SyncRun, FetchContext], Iterator[Outcome]]] = {
    SyncRun.Stage.CUSTOMERS: _check_customers,
    SyncRun.Stage.SUBSCRIPTIONS: _check_subscriptions,
    SyncRun.Stage.INVOICES: _check_invoices,
}
