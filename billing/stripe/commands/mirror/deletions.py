"""Subscriptions and invoices that Orgdesk has and Stripe has deleted."""

from dataclasses import replace

from django.db import transaction

from billing import gateway
from billing.models import Discrepancy, Invoice, Subscription
from billing.models.mirrors import LIVE
from billing.signals import terms_changed
from billing.stripe.commands.discrepancies import Difference
from billing.stripe.commands.mirror.charge_lines import delete_charge_lines
from billing.stripe.commands.mirror.fetches import (
    FetchContext,
    Outcome,
    record_differences,
)
from billing.stripe.commands.upcoming import mark_outdated

_DELETED = "not in Stripe"


@transaction.atomic
def mark_subscription_deleted(stripe_id: str, context: FetchContext) -> Outcome:
    """Set a subscription that Stripe does not have to canceled.

    Raises `Missing` if Orgdesk does not have it either.
    """
    rows = Subscription.objects.filter(stripe_id=stripe_id).order_by("kind")
    if not rows:
        raise gateway.Missing("There is no such subscription in Stripe.")
    outcome = Outcome(seen={stripe_id: rows[0].organization_id})
    row = next((row for row in rows if row.status in LIVE), None)
    if row is None:
        return outcome
    outcome.discrepancy_count = record_differences(
        [_deletion(row, context)], [stripe_id], context
    )
    if context.repairs:
        unchanged = Subscription.objects.filter(
            stripe_id=stripe_id, synced_at__lte=context.at
        )
        outcome.written = unchanged.update(
            status=Subscription.Status.CANCELED, synced_at=context.at
        )
        terms_changed.send(Subscription, organization_ids=[row.organization_id])
        mark_outdated([row.organization_id])
    return outcome


@transaction.atomic
def delete_invoice(stripe_id: str, context: FetchContext) -> Outcome:
    """Delete a draft invoice that was deleted in Stripe.

    Stripe deletes only drafts, which never billed anything; charges that were on one
    are a discrepancy until a person decides. If Orgdesk has the invoice as finalized,
    that is recorded for a person and the row stays. Raises `Missing` if
    Orgdesk does not have it.
    """
    row = Invoice.objects.filter(stripe_id=stripe_id).first()
    if row is None:
        raise gateway.Missing("There is no such invoice in Stripe.")
    if row.status != Invoice.Status.DRAFT:
        context = replace(context, repairs=False)
    outcome = Outcome(seen={stripe_id: row.organization_id})
    outcome.discrepancy_count = record_differences(
        [_deletion(row, context)], [stripe_id], context
    )
    if context.repairs:
        unchanged = Invoice.objects.filter(pk=row.pk, synced_at__lte=context.at)
        outcome.written, _ = unchanged.delete()
    if outcome.written:
        mark_outdated([row.organization_id])
        outcome.discrepancy_count += delete_charge_lines(
            stripe_id, row.organization_id, context
        )
    return outcome


def _deletion(row: Subscription | Invoice, context: FetchContext) -> Difference:
    return Difference(
        Discrepancy.Kind.STATUS,
        row.stripe_id,
        row.status,
        _DELETED,
        stripe_read_at=context.at,
        orgdesk_read_at=row.synced_at,
        organization_id=row.organization_id,
        white_label_id=row.white_label_id,
    )
