"""Subscriptions of Stripe: at most one live one per organization and kind."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from billing import gateway
from billing.models import Discrepancy, Subscription
from billing.models.mirrors import LIVE
from billing.signals import terms_changed
from billing.stripe.commands.discrepancies import Difference
from billing.stripe.commands.mirror.columns import (
    SubscriptionBatch,
    SubscriptionColumns,
    build_columns,
    has_ended,
    known_items,
)
from billing.stripe.commands.mirror.duplicates import find_duplicates
from billing.stripe.commands.mirror.fetches import (
    FetchContext,
    Outcome,
    record_differences,
)
from billing.stripe.commands.mirror.owners import Owner, find_owners, is_in_scope
from billing.stripe.commands.mirror.prices import find_prices
from billing.stripe.commands.mirror.upserts import changed_kinds, mark_synced, upsert

TABLE = "billing_subscription"
# Columns whose change is a difference of each kind.
_KINDS = {
    Discrepancy.Kind.CUSTOMER: ("organization_id",),
    Discrepancy.Kind.TIER: ("tier",),
    Discrepancy.Kind.PRICE: ("stripe_price_id", "cycle", "kind"),
    Discrepancy.Kind.SEATS: ("seats",),
    Discrepancy.Kind.STATUS: ("status", "trial_ends_at", "cancels_at", "pause_reason"),
    Discrepancy.Kind.PERIOD: ("period_starts_at", "period_ends_at"),
}
ColumnsById = Mapping[str, SubscriptionColumns]


@transaction.atomic
def mirror_subscriptions(
    subscriptions: Sequence[gateway.Subscription],
    context: FetchContext,
    *,
    is_all: bool = False,
) -> Outcome:
    """Write the subscriptions that differ.

    With `is_all` they are all that their customers have, so that of duplicate live ones
    the used one can be chosen and the others deleted. Without it, customers who would
    get a second live one are not written but returned as `duplicate_customers`: the
    row that is live may have ended long ago.
    """
    customers = {subscription.customer_id for subscription in subscriptions}
    owners = find_owners(customers)
    batch = _load_batch(subscriptions, owners, context)
    outcome = Outcome(unlinked_customers=customers - set(owners))
    columns = _build_all_columns(batch, context)
    created_at = {item.id: item.created_at for item in batch.subscriptions}
    duplicates = find_duplicates(columns, batch.rows.values(), created_at)
    if not is_all:
        outcome.duplicate_customers = {
            subscription.customer_id
            for subscription in batch.subscriptions
            if subscription.id in duplicates
        }
        batch.leave_out(outcome.duplicate_customers)
        columns, duplicates = _build_all_columns(batch, context), {}
    outcome.seen = {
        subscription.id: owners[subscription.customer_id].organization_id
        for subscription in batch.subscriptions
    }
    differences = _Reconciler(batch, columns, duplicates, context).list_differences()
    outcome.discrepancy_count = record_differences(
        differences, list(outcome.seen), context
    )
    if context.repairs:
        outcome.written = _write(columns, duplicates, context)
    return outcome


def _load_batch(
    subscriptions: Sequence[gateway.Subscription],
    owners: Mapping[str, Owner],
    context: FetchContext,
) -> SubscriptionBatch:
    """Read the rows that mirroring needs, for subscriptions with an owner in scope.

    Costs three queries by index: prices, the subscriptions' rows, and the live rows of
    their organizations.
    """
    owned = [
        subscription
        for subscription in subscriptions
        if is_in_scope(owners.get(subscription.customer_id), context.white_label_id)
    ]
    prices = find_prices(
        {item.price_id for subscription in owned for item in subscription.items}
    )
    own_rows = Subscription.objects.filter(stripe_id__in=[item.id for item in owned])
    organization_ids = {owners[item.customer_id].organization_id for item in owned}
    live_rows = Subscription.objects.filter(
        organization_id__in=organization_ids, status__in=LIVE
    )
    rows = {row.stripe_id: row for query in (own_rows, live_rows) for row in query}
    return SubscriptionBatch(owned, owners, prices, rows)


def _build_all_columns(
    batch: SubscriptionBatch, context: FetchContext
) -> dict[str, SubscriptionColumns]:
    """Return the columns by subscription; new ones of an unknown price are left out."""
    columns = (build_columns(item, batch, context) for item in batch.subscriptions)
    return {row.stripe_id: row for row in columns if row is not None}


@dataclass(frozen=True, slots=True)
class _Reconciler:
    """Comparison of Orgdesk's rows with Stripe's subscriptions."""

    batch: SubscriptionBatch
    columns: ColumnsById
    duplicates: Mapping[str, str]  # the subscription that is used, by duplicate
    context: FetchContext

    def list_differences(self) -> list[Difference]:
        """Return the differences of all subscriptions of the batch."""
        return [
            difference
            for subscription in self.batch.subscriptions
            for difference in self._compare(subscription)
        ]

    def _compare(self, subscription: gateway.Subscription) -> Iterator[Difference]:
        row = self.batch.rows.get(subscription.id)
        columns = self.columns.get(subscription.id)
        used_id = self.duplicates.get(subscription.id, subscription.id)
        if not has_ended(subscription) and not known_items(
            subscription, self.batch.prices
        ):
            price_ids = ", ".join(item.price_id for item in subscription.items)
            tier = row.tier if row else ""
            yield self._difference(subscription, "unknown_price", tier, price_ids)
        if used_id != subscription.id:
            yield self._difference(
                subscription,
                "two_live",
                f"{used_id} is used",
                f"{subscription.id} is {subscription.status}",
            )
        elif columns and row:
            for kind in changed_kinds(row, columns, _KINDS):
                yield self._difference(
                    subscription, kind, _describe(row, kind), _describe(columns, kind)
                )
        elif columns and self.context.records_new:
            tier = _describe(columns, Discrepancy.Kind.TIER)
            yield self._difference(subscription, "missing", "", tier)

    def _difference(
        self,
        subscription: gateway.Subscription,
        kind: str,
        orgdesk_value: str,
        stripe_value: str,
    ) -> Difference:
        owner = self.batch.owners[subscription.customer_id]
        row = self.batch.rows.get(subscription.id)
        return Difference(
            kind,
            subscription.id,
            orgdesk_value,
            stripe_value,
            stripe_read_at=self.context.at,
            orgdesk_read_at=row.synced_at if row else None,
            organization_id=owner.organization_id,
            white_label_id=owner.white_label_id,
        )


def _describe(subscription: Subscription | SubscriptionColumns, kind: str) -> str:
    """Return the columns of a kind of difference as a text for people."""
    names = _KINDS[Discrepancy.Kind(kind)]
    values = (getattr(subscription, name) for name in names)
    return " · ".join(_text(value) for value in values if value not in (None, ""))


def _text(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else str(value)


def _write(
    columns: ColumnsById, duplicates: Mapping[str, str], context: FetchContext
) -> int:
    """Write rows that differ, delete unused duplicates, and return how many changed.

    Rows that end are written first: a unique index allows one live subscription per
    organization and kind, so the successor could not be written before.
    """
    unused = [id_ for id_, used_id in duplicates.items() if used_id != id_]
    rows = [row for row in columns.values() if row.stripe_id not in unused]
    deleted, _ = Subscription.objects.filter(
        stripe_id__in=unused, synced_at__lte=context.at
    ).delete()
    written = upsert(TABLE, [row for row in rows if not row.is_live], context.at)
    written |= upsert(TABLE, [row for row in rows if row.is_live], context.at)
    if context.run_id is None:
        mark_synced(TABLE, list(columns), context.at)
    if written:
        ids = sorted({columns[id_].organization_id for id_ in written})
        terms_changed.send(Subscription, organization_ids=ids)
    return len(written) + deleted
