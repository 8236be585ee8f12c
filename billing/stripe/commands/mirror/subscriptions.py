"""Subscriptions of Stripe: at most one live one per organization and kind."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from billing import gateway
from billing.models import Discrepancy, Subscription
from billing.models.mirrors import LIVE
from billing.signals import terms_changed
from billing.stripe.commands.discrepancies import Difference
from billing.stripe.commands.mirror.columns import (
    RowKey,
    SubscriptionBatch,
    SubscriptionColumns,
    build_columns,
    find_unknown_items,
    has_ended,
)
from billing.stripe.commands.mirror.duplicates import find_duplicates
from billing.stripe.commands.mirror.fetches import (
    FetchContext,
    Outcome,
    record_differences,
)
from billing.stripe.commands.mirror.items import (
    describe_items,
    find_items,
    sold_items,
    unsold_prices,
    write_items,
)
from billing.stripe.commands.mirror.owners import Owner, find_owners, is_in_scope
from billing.stripe.commands.mirror.prices import find_prices
from billing.stripe.commands.mirror.upserts import changed_kinds, mark_synced, upsert
from billing.stripe.commands.upcoming import compare_subscriptions, mark_outdated

TABLE = "billing_subscription"
_UNSOLD = Discrepancy.Kind.UNSOLD_ITEM
# Columns whose change is a difference of each kind.
_KINDS = {
    Discrepancy.Kind.CUSTOMER: ("organization_id",),
    Discrepancy.Kind.TIER: ("tier",),
    Discrepancy.Kind.PRICE: ("stripe_price_id", "cycle", "kind"),
    Discrepancy.Kind.SEATS: ("seats",),
    Discrepancy.Kind.STATUS: ("status", "trial_ends_at", "cancels_at", "pause_reason"),
    Discrepancy.Kind.PERIOD: ("period_starts_at", "period_ends_at"),
}
ColumnsByKey = Mapping[RowKey, SubscriptionColumns]


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
            if subscription.id in {id_ for id_, _ in duplicates}
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
        outcome.subscriptions = list(batch.subscriptions)
        outcome.removed_platforms = dict(_list_removed_platforms(batch, columns))
        outcome.written = _write(batch, columns, duplicates, context)
        compare_subscriptions({item.id: item.pricing for item in batch.subscriptions})
    return outcome


def _list_removed_platforms(
    batch: SubscriptionBatch, columns: ColumnsByKey
) -> Iterator[tuple[str, datetime]]:
    """Yield the live subscriptions whose platform item was removed, and since when."""
    for subscription in batch.subscriptions:
        row = columns.get((subscription.id, Subscription.Kind.PLATFORM))
        is_ended = row is not None and row.status == Subscription.Status.CANCELED
        if row and is_ended and not has_ended(subscription) and row.cancels_at:
            yield subscription.id, row.cancels_at


def _load_batch(
    subscriptions: Sequence[gateway.Subscription],
    owners: Mapping[str, Owner],
    context: FetchContext,
) -> SubscriptionBatch:
    """Read the rows that mirroring needs, for subscriptions with an owner in scope.

    Costs four queries by index: prices, the subscriptions' rows and items, and the live
    rows of their organizations.
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
    rows = {
        (row.stripe_id, row.kind): row
        for query in (own_rows, live_rows)
        for row in query
    }
    items = find_items([item.id for item in owned])
    return SubscriptionBatch(owned, owners, prices, rows, items)


def _build_all_columns(
    batch: SubscriptionBatch, context: FetchContext
) -> dict[RowKey, SubscriptionColumns]:
    """Return the columns of all rows; a subscription that sells nothing has none."""
    columns = (build_columns(item, batch, context) for item in batch.subscriptions)
    return {row.key: row for rows in columns for row in rows}


@dataclass(frozen=True, slots=True)
class _Reconciler:
    """Comparison of Orgdesk's rows with Stripe's subscriptions."""

    batch: SubscriptionBatch
    columns: ColumnsByKey
    duplicates: Mapping[RowKey, str]  # the subscription that is used, by duplicate
    context: FetchContext

    def list_differences(self) -> list[Difference]:
        """Return the differences of all subscriptions of the batch."""
        return [
            difference
            for subscription in self.batch.subscriptions
            for difference in self._compare(subscription)
        ]

    def _compare(self, subscription: gateway.Subscription) -> Iterator[Difference]:
        yield from self._compare_prices(subscription)
        if used_ids := self._used_instead(subscription):
            yield self._difference(
                subscription,
                Discrepancy.Kind.TWO_LIVE,
                f"{', '.join(used_ids)} is used",
                f"{subscription.id} is {subscription.status}",
            )
            return
        columns = [
            row for row in self.columns.values() if row.stripe_id == subscription.id
        ]
        if columns and self.batch.rows_of(subscription.id):
            yield from self._compare_terms(subscription, columns)
        elif columns and self.context.records_new:
            tiers = _join(_describe(row, Discrepancy.Kind.TIER) for row in columns)
            yield self._difference(subscription, Discrepancy.Kind.MISSING, "", tiers)

    def _compare_prices(
        self, subscription: gateway.Subscription
    ) -> Iterator[Difference]:
        """Name the items that Orgdesk does not sell."""
        unsold = unsold_prices(subscription, self.batch.prices)
        if not unsold or has_ended(subscription):
            return
        rows = self.batch.rows_of(subscription.id)
        kinds = {
            sold.price.kind for sold in sold_items(subscription, self.batch.prices)
        }
        is_unknown = bool(find_unknown_items(subscription, self.batch)) or not kinds
        kind = Discrepancy.Kind.UNKNOWN_PRICE if is_unknown else _UNSOLD
        tiers = _join(row.tier for row in rows)
        yield self._difference(subscription, kind, tiers, ", ".join(unsold))

    def _used_instead(self, subscription: gateway.Subscription) -> list[str]:
        """Return the subscriptions that are used instead of this duplicate."""
        used_ids = (
            self.duplicates.get((subscription.id, kind), subscription.id)
            for kind in Subscription.Kind.values
        )
        return sorted({id_ for id_ in used_ids if id_ != subscription.id})

    def _compare_terms(
        self, subscription: gateway.Subscription, columns: Sequence[SubscriptionColumns]
    ) -> Iterator[Difference]:
        """Compare the rows of a subscription; each kind of difference is one."""
        before: dict[str, list[str]] = defaultdict(list)
        after: dict[str, list[str]] = defaultdict(list)
        for new in columns:
            row = self.batch.rows.get(new.key)
            kinds = changed_kinds(row, new, _KINDS) if row else [Discrepancy.Kind.ITEMS]
            for kind in kinds:
                before[kind].append(_describe(row, kind) if row else "")
                after[kind].append(_describe(new, kind))
        if not before:
            yield from self._compare_items(subscription)
        for kind, values in before.items():
            yield self._difference(
                subscription, kind, _join(values), _join(after[kind])
            )

    def _compare_items(
        self, subscription: gateway.Subscription
    ) -> Iterator[Difference]:
        """Compare the sold items where the terms of the main ones are the same."""
        sold = sold_items(subscription, self.batch.prices)
        rows = self.batch.items.get(subscription.id, [])
        mirrored = describe_items((row.stripe_price_id, row.quantity) for row in rows)
        in_stripe = describe_items((s.item.price_id, s.item.quantity) for s in sold)
        if rows and sold and mirrored != in_stripe:
            kind = Discrepancy.Kind.ITEMS
            yield self._difference(subscription, kind, mirrored, in_stripe)

    def _difference(
        self,
        subscription: gateway.Subscription,
        kind: str,
        orgdesk_value: str,
        stripe_value: str,
    ) -> Difference:
        owner = self.batch.owners[subscription.customer_id]
        rows = self.batch.rows_of(subscription.id)
        return Difference(
            kind,
            subscription.id,
            orgdesk_value,
            stripe_value,
            stripe_read_at=self.context.at,
            orgdesk_read_at=min((row.synced_at for row in rows), default=None),
            organization_id=owner.organization_id,
            white_label_id=owner.white_label_id,
        )


def _describe(subscription: Subscription | SubscriptionColumns, kind: str) -> str:
    """Return the columns of a kind of difference as a text for people."""
    names = _KINDS.get(Discrepancy.Kind(kind), ("tier", "stripe_price_id"))
    values = (getattr(subscription, name) for name in names)
    return " · ".join(_text(value) for value in values if value not in (None, ""))


def _join(texts: Iterable[str]) -> str:
    """Return different texts as one; a subscription's rows often have the same."""
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _text(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else str(value)


def _write(
    batch: SubscriptionBatch,
    columns: ColumnsByKey,
    duplicates: Mapping[RowKey, str],
    context: FetchContext,
) -> int:
    """Write rows that differ, delete unused duplicates, and return how many changed.

    Rows that end are written first: a unique index allows one live subscription per
    organization and kind, so the successor could not be written before. Counted are
    subscriptions, with those of which only an item changed.
    """
    unused = {key for key, used_id in duplicates.items() if used_id != key[0]}
    rows = [row for key, row in columns.items() if key not in unused]
    deleted = _delete_rows(unused, context)
    written = _upsert([row for row in rows if not row.is_live], context)
    written |= _upsert([row for row in rows if row.is_live], context)
    changed = _write_items(batch, unused, context)
    if context.run_id is None:
        mark_synced(TABLE, [id_ for id_, _ in columns], context.at)
    if written:
        ids = sorted({row.organization_id for row in rows if row.stripe_id in written})
        terms_changed.send(Subscription, organization_ids=ids)
    if written or changed or deleted:
        mark_outdated(row.organization_id for row in columns.values())
    return len(written | changed) + deleted


def _write_items(
    batch: SubscriptionBatch, unused: set[RowKey], context: FetchContext
) -> set[str]:
    """Write the items of used subscriptions; return which subscriptions changed.

    Call it after the subscriptions' rows were written, which locked them: items are
    left alone where a later answer than this one was mirrored meanwhile.
    """
    ids = [item.id for item in batch.subscriptions]
    newer = Subscription.objects.filter(stripe_id__in=ids, synced_at__gt=context.at)
    newer_ids = set(newer.values_list("stripe_id", flat=True))
    current = [item for item in batch.subscriptions if item.id not in newer_ids]
    organization_ids = {
        id_: owner.organization_id for id_, owner in batch.owners.items()
    }
    return write_items(current, batch.prices, organization_ids, context, unused=unused)


def _delete_rows(keys: Iterable[RowKey], context: FetchContext) -> int:
    """Delete rows that were not read from Stripe since; return how many."""
    unchanged = Subscription.objects.filter(synced_at__lte=context.at)
    return sum(
        unchanged.filter(stripe_id=stripe_id, kind=kind).delete()[0]
        for stripe_id, kind in sorted(keys)
    )


def _upsert(rows: Sequence[SubscriptionColumns], context: FetchContext) -> set[str]:
    return upsert(TABLE, rows, context.at, key=("stripe_id", "kind"))
