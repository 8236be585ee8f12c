"""What is ours and was not met: asked for one by one, for it may be gone.

A run that met nothing of ours speaks with another account than the one we know: then
nothing is called gone, and every customer is warned of.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from billing import gateway
from billing.models import BillingAccount, Invoice, Subscription, SyncRun, SyncSeen
from billing.models.mirrors import LIVE
from billing.stripe.commands.mirror.customers import gone_customer, mirror_customers
from billing.stripe.commands.mirror.deletions import forget_invoice, forget_subscription
from billing.stripe.commands.mirror.fetches import Fetch, Outcome, note
from billing.stripe.commands.mirror.invoices import mirror_invoices
from billing.stripe.commands.mirror.owners import owners_of
from billing.stripe.commands.mirror.subscriptions import mirror_subscriptions

MOST = 1_000  # calls of one stage


def look_for_missing(run: SyncRun, fetch: Fetch) -> Iterator[Outcome]:
    """One outcome per object, so that the caller can keep its lease in between."""
    look = _LOOKS.get(run.stage)
    if look is not None:
        yield from islice(look(run, fetch), MOST)


def _unmet(run: SyncRun, field: str) -> Any:
    return ~Exists(SyncSeen.objects.filter(run=run, stripe_id=OuterRef(field)))


def _customers(run: SyncRun, fetch: Fetch) -> Iterator[Outcome]:
    accounts = BillingAccount.objects.filter(
        _unmet(run, "stripe_id"),
        organization__white_label_id=run.white_label_id,
        stripe_id__isnull=False,
    )
    ids = [id_ for id_ in accounts.values_list("stripe_id", flat=True) if id_]
    if not _is_our_account(run):
        yield _warn(ids, fetch)
        return
    for id_ in ids:
        try:
            yield mirror_customers([gateway.get_customer(id_)], fetch)
        except gateway.Missing:
            yield _warn([id_], fetch)
        except gateway.Malformed:
            continue  # it is there, and was counted where it was listed


@transaction.atomic
def _warn(customer_ids: list[str], fetch: Fetch) -> Outcome:
    owners = owners_of(customer_ids)
    found = [gone_customer(id_, owner, fetch) for id_, owner in owners.items()]
    return Outcome(discrepancy_count=note(found, customer_ids, fetch))


def _subscriptions(run: SyncRun, fetch: Fetch) -> Iterator[Outcome]:
    rows = Subscription.objects.filter(
        _unmet(run, "stripe_id"), white_label_id=run.white_label_id, status__in=LIVE
    )
    if not _is_our_account(run):
        return
    for id_ in list(rows.values_list("stripe_id", flat=True)):
        try:
            found = gateway.get_subscription(id_)
        except gateway.Missing:
            yield forget_subscription(id_, fetch)
        except gateway.Malformed:
            continue
        else:
            yield mirror_subscriptions([found], fetch)


def _invoices(run: SyncRun, fetch: Fetch) -> Iterator[Outcome]:
    rows = Invoice.objects.filter(
        _unmet(run, "stripe_id"),
        white_label_id=run.white_label_id,
        status__in=[Invoice.Status.DRAFT, Invoice.Status.OPEN],
    )
    if not _is_our_account(run):
        return
    for id_ in list(rows.values_list("stripe_id", flat=True)):
        try:
            found = gateway.get_invoice(id_)
        except gateway.Missing:
            yield forget_invoice(id_, fetch)
        except gateway.Malformed:
            continue
        else:
            yield mirror_invoices([found], fetch)


def _is_our_account(run: SyncRun) -> bool:
    return SyncSeen.objects.filter(run=run).exists()


_LOOKS: Mapping[str, Callable[[SyncRun, Fetch], Iterator[Outcome]]] = {
    SyncRun.Stage.CUSTOMERS: _customers,
    SyncRun.Stage.SUBSCRIPTIONS: _subscriptions,
    SyncRun.Stage.INVOICES: _invoices,
}
