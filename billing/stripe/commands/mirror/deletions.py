"""What we have and Stripe has no more."""

from dataclasses import replace

from django.db import transaction

from billing import gateway
from billing.models import Discrepancy, Invoice, Subscription
from billing.models.mirrors import LIVE
from billing.signals import terms_changed
from billing.stripe.commands.discrepancies import Difference
from billing.stripe.commands.mirror.fetches import Fetch, Outcome, note

_GONE = "not in Stripe"


@transaction.atomic
def forget_subscription(stripe_id: str, fetch: Fetch) -> Outcome:
    """It has ended; raises `Missing` for one that we never had."""
    row = Subscription.objects.filter(stripe_id=stripe_id).first()
    if row is None:
        raise gateway.Missing("There is no such subscription in Stripe.")
    outcome = Outcome(met={stripe_id: row.organization_id})
    if row.status in LIVE:
        outcome.discrepancy_count = note([_gone(row, fetch)], [stripe_id], fetch)
    if row.status in LIVE and fetch.repairs:
        own = Subscription.objects.filter(pk=row.pk, synced_at__lte=fetch.at)
        outcome.written = own.update(
            status=Subscription.Status.CANCELED, synced_at=fetch.at
        )
        terms_changed.send(Subscription, organization_ids=[row.organization_id])
    return outcome


@transaction.atomic
def forget_invoice(stripe_id: str, fetch: Fetch) -> Outcome:
    """A deleted draft goes here, too: it never was a bill. Raises `Missing` else."""
    row = Invoice.objects.filter(stripe_id=stripe_id).first()
    if row is None:
        raise gateway.Missing("There is no such invoice in Stripe.")
    if row.status != Invoice.Status.DRAFT:
        fetch = replace(fetch, repairs=False)  # a bill is not lost: somebody must look
    outcome = Outcome(met={stripe_id: row.organization_id})
    outcome.discrepancy_count = note([_gone(row, fetch)], [stripe_id], fetch)
    if fetch.repairs:
        own = Invoice.objects.filter(pk=row.pk, synced_at__lte=fetch.at)
        outcome.written, _ = own.delete()
    return outcome


def _gone(row: Subscription | Invoice, fetch: Fetch) -> Difference:
    return Difference(
        Discrepancy.Kind.STATUS,
        row.stripe_id,
        row.status,
        _GONE,
        theirs_at=fetch.at,
        ours_at=row.synced_at,
        organization_id=row.organization_id,
        white_label_id=row.white_label_id,
    )
