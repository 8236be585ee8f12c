"""Columns of a subscription's rows, from Stripe's object and its prices."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from billing import gateway
from billing.cycles import Cycle
from billing.models import Price, Subscription, SubscriptionItem
from billing.models.mirrors import LIVE
from billing.stripe.commands.mirror.fetches import FetchContext
from billing.stripe.commands.mirror.items import SoldItem, sold_items
from billing.stripe.commands.mirror.owners import Owner
from billing.stripe.commands.mirror.upserts import clean

_ENDED = ("canceled", "incomplete_expired")
_LONGEST_REASON = 200
_KINDS = Subscription.Kind.values
RowKey = tuple[str, str]  # a subscription's id in Stripe, and the kind of the row


@dataclass(frozen=True, slots=True)
class SubscriptionColumns:
    """Row of a subscription as it should be written."""

    stripe_id: str
    organization_id: int
    kind: str
    status: str
    tier: str
    cycle_interval: str
    cycle_count: int
    stripe_price_id: str
    stripe_item_id: str
    seats: int | None
    began_at: datetime
    trial_starts_at: datetime | None
    trial_ends_at: datetime | None
    cycle_anchor_at: datetime
    cancels_at: datetime | None
    pause_reason: str
    paused_at: datetime | None
    period_starts_at: datetime
    period_ends_at: datetime

    @property
    def cycle(self) -> Cycle:
        """How often Stripe bills the item."""
        return Cycle(self.cycle_interval, self.cycle_count)

    @property
    def key(self) -> RowKey:
        """The subscription and the kind of the row."""
        return self.stripe_id, self.kind

    @property
    def is_live(self) -> bool:
        """True while Stripe serves the subscription."""
        return self.status in LIVE


@dataclass(slots=True)
class SubscriptionBatch:
    """Subscriptions from Stripe with the rows that are needed to mirror them."""

    subscriptions: list[gateway.Subscription]
    owners: Mapping[str, Owner]  # by customer
    prices: Mapping[str, Price]  # by id in Stripe
    # The rows of the subscriptions, and all live rows of the owners.
    rows: Mapping[RowKey, Subscription]
    items: Mapping[str, Sequence[SubscriptionItem]]  # mirrored, by subscription

    def rows_of(self, stripe_id: str) -> list[Subscription]:
        """Return the rows of a subscription, at most one for each kind."""
        keys = ((stripe_id, kind) for kind in Subscription.Kind.values)
        return [self.rows[key] for key in keys if key in self.rows]

    def leave_out(self, customer_ids: Collection[str]) -> None:
        """Remove the subscriptions of these customers."""
        self.subscriptions = [
            subscription
            for subscription in self.subscriptions
            if subscription.customer_id not in customer_ids
        ]


def build_columns(
    subscription: gateway.Subscription, batch: SubscriptionBatch, context: FetchContext
) -> list[SubscriptionColumns]:
    """Return the rows that a subscription should have: one for each kind it sells.

    A row whose item has an unknown price now keeps its kind, tier and price, and only
    the rest follows Stripe. A row whose item was removed has ended.
    """
    sold = sold_items(subscription, batch.prices)
    by_kind = {kind: [s for s in sold if s.price.kind == kind] for kind in _KINDS}
    columns = [
        _sold_columns(subscription, items, batch, context)
        for items in by_kind.values()
        if items
    ]
    others = [row for row in batch.rows_of(subscription.id) if not by_kind[row.kind]]
    return [
        *columns,
        *(_unknown_columns(subscription, row, batch, context) for row in others),
    ]


def _sold_columns(
    subscription: gateway.Subscription,
    items: Sequence[SoldItem],
    batch: SubscriptionBatch,
    context: FetchContext,
) -> SubscriptionColumns:
    """Return the row of one kind, with the terms of its main item."""
    main = SoldItem.main(items)
    row = batch.rows.get((subscription.id, main.price.kind))
    return _columns(
        subscription,
        row,
        main.item,
        batch,
        context,
        status=_status(subscription),
        kind=main.price.kind,
        tier=main.price.tier,
        cycle_interval=main.price.cycle_interval,
        cycle_count=main.price.cycle_count,
        stripe_price_id=main.item.price_id,
        stripe_item_id=main.item.id,
        seats=_count_seats(items),
    )


def _count_seats(items: Sequence[SoldItem]) -> int | None:
    """Return the seats of all items; null for the platform and where Stripe counts."""
    counts = [
        sold.item.quantity
        for sold in items
        if sold.price.kind == Subscription.Kind.SPACES
        and sold.item.quantity is not None
    ]
    return sum(counts) if counts else None


def _unknown_columns(
    subscription: gateway.Subscription,
    row: Subscription,
    batch: SubscriptionBatch,
    context: FetchContext,
) -> SubscriptionColumns:
    """Return the row of a kind of which the subscription has no known item any more."""
    item = find_unknown_items(subscription, batch).get(row.kind)
    is_removed = item is None and not has_ended(subscription)
    columns = _columns(
        subscription,
        row,
        item,
        batch,
        context,
        status=_status(subscription) if item else Subscription.Status.CANCELED,
        kind=row.kind,
        tier=row.tier,
        cycle_interval=row.cycle_interval,
        cycle_count=row.cycle_count,
        stripe_price_id=row.stripe_price_id,
        stripe_item_id=row.stripe_item_id,
        seats=item.quantity if item and row.seats is not None else row.seats,
    )
    if not is_removed:
        return columns
    # Stripe does not say when an item was removed; Orgdesk takes when it first saw it.
    is_known = _is_canceled(row) and row.cancels_at
    return replace(columns, cancels_at=row.cancels_at if is_known else context.at)


def find_unknown_items(
    subscription: gateway.Subscription, batch: SubscriptionBatch
) -> dict[str, gateway.SubscriptionItem]:
    """Return the items of unknown price that rows have now, by the rows' kind.

    A row that is not named has lost its item. In a subscription that sells nothing
    known, an item that is of no row may have taken the place of a lost one. No item is
    of two rows, and a row that has ended gets no other item.
    """
    sold = sold_items(subscription, batch.prices)
    sold_ids, kinds = {s.item.id for s in sold}, {s.price.kind for s in sold}
    free = {item.id: item for item in subscription.items if item.id not in sold_ids}
    rows = [row for row in batch.rows_of(subscription.id) if row.kind not in kinds]
    rows.sort(key=_is_canceled)
    unknown_items = {
        row.kind: free.pop(row.stripe_item_id)
        for row in rows
        if row.stripe_item_id in free
    }
    if sold:
        return unknown_items
    lost = [
        row for row in rows if row.kind not in unknown_items and not _is_canceled(row)
    ]
    pairs = zip(lost, free.values(), strict=False)
    return unknown_items | {row.kind: item for row, item in pairs}


def _is_canceled(row: Subscription) -> bool:
    return row.status == Subscription.Status.CANCELED


def _columns(
    subscription: gateway.Subscription,
    row: Subscription | None,
    item: gateway.SubscriptionItem | None,
    batch: SubscriptionBatch,
    context: FetchContext,
    *,
    status: str,
    **terms: Any,
) -> SubscriptionColumns:
    """Return a row with these terms and what all rows of a subscription share."""
    period: Any = item or row
    return SubscriptionColumns(
        stripe_id=subscription.id,
        organization_id=batch.owners[subscription.customer_id].organization_id,
        status=status,
        began_at=subscription.created_at,
        trial_starts_at=subscription.trial_starts_at,
        trial_ends_at=subscription.trial_ends_at,
        cycle_anchor_at=subscription.cycle_anchor_at,
        cancels_at=subscription.cancels_at,
        pause_reason=_pause_reason(subscription, status),
        paused_at=_paused_at(row, status, context),
        period_starts_at=period.period_starts_at,
        period_ends_at=period.period_ends_at,
        **terms,
    )


def has_ended(subscription: gateway.Subscription) -> bool:
    """Return whether a subscription has ended for good."""
    return subscription.status in _ENDED


def _status(subscription: gateway.Subscription) -> str:
    """Return Orgdesk's status: paused while a live one's collection is paused."""
    if has_ended(subscription):
        return Subscription.Status.CANCELED
    is_paused = subscription.is_paused and subscription.status in LIVE
    return Subscription.Status.PAUSED if is_paused else subscription.status


def _pause_reason(subscription: gateway.Subscription, status: str) -> str:
    is_paused = status == Subscription.Status.PAUSED
    return clean(subscription.pause_reason, _LONGEST_REASON) if is_paused else ""


def _paused_at(
    row: Subscription | None, status: str, context: FetchContext
) -> datetime | None:
    """Return when the pause was first seen, because Stripe does not record it."""
    if status != Subscription.Status.PAUSED:
        return None
    was_paused = row is not None and row.status == Subscription.Status.PAUSED
    return row.paused_at if row and was_paused and row.paused_at else context.at
