"""Columns of a subscription's row, from Stripe's object and its price."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from billing import gateway
from billing.cycles import Cycle
from billing.models import Price, Subscription
from billing.models.mirrors import LIVE
from billing.stripe.commands.mirror.fetches import FetchContext
from billing.stripe.commands.mirror.owners import Owner
from billing.stripe.commands.mirror.upserts import clean

_ENDED = ("canceled", "incomplete_expired")
_LONGEST_REASON = 200


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
    seats: int | None
    trial_ends_at: datetime | None
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
    def is_live(self) -> bool:
        """True while Stripe serves the subscription."""
        return self.status in LIVE


@dataclass(slots=True)
class SubscriptionBatch:
    """Subscriptions from Stripe with the rows that are needed to mirror them."""

    subscriptions: list[gateway.Subscription]
    owners: Mapping[str, Owner]  # by customer
    prices: Mapping[str, Price]  # by id in Stripe
    # By id in Stripe: the rows of the subscriptions, and all live rows of the owners.
    rows: Mapping[str, Subscription]

    def leave_out(self, customer_ids: Collection[str]) -> None:
        """Remove the subscriptions of these customers."""
        self.subscriptions = [
            subscription
            for subscription in self.subscriptions
            if subscription.customer_id not in customer_ids
        ]


def build_columns(
    subscription: gateway.Subscription, batch: SubscriptionBatch, context: FetchContext
) -> SubscriptionColumns | None:
    """Return the row that a subscription should have.

    While its price is unknown, a subscription keeps the kind, tier and price of its
    present row and only the rest follows Stripe. Returns null if there is no row
    either.
    """
    row = batch.rows.get(subscription.id)
    item = next(iter(known_items(subscription, batch.prices)), subscription.item)
    price = batch.prices.get(item.price_id)
    is_known = price is not None and price.is_known
    terms: Price | Subscription | None = price if is_known else row
    if terms is None:
        return None
    status = _status(subscription)
    return SubscriptionColumns(
        stripe_id=subscription.id,
        organization_id=batch.owners[subscription.customer_id].organization_id,
        kind=terms.kind,
        status=status,
        tier=terms.tier,
        cycle_interval=terms.cycle_interval,
        cycle_count=terms.cycle_count,
        stripe_price_id=item.price_id if is_known or not row else row.stripe_price_id,
        seats=item.quantity if terms.kind == Subscription.Kind.SPACES else None,
        trial_ends_at=subscription.trial_ends_at,
        cancels_at=subscription.cancels_at,
        pause_reason=_pause_reason(subscription, status),
        paused_at=_paused_at(row, status, context),
        period_starts_at=item.period_starts_at,
        period_ends_at=item.period_ends_at,
    )


def known_items(
    subscription: gateway.Subscription, prices: Mapping[str, Price]
) -> list[gateway.SubscriptionItem]:
    """Return the items whose price is known; Orgdesk ignores the others."""
    return [
        item
        for item in subscription.items
        if (price := prices.get(item.price_id)) and price.is_known
    ]


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
