"""Items of subscriptions: which are sold, which is the main one, and their rows."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from billing import gateway
from billing.models import Price, SubscriptionItem
from billing.stripe.commands.mirror.fetches import FetchContext
from billing.stripe.commands.mirror.upserts import mark_synced, upsert

TABLE = "billing_subscriptionitem"


@dataclass(frozen=True, slots=True)
class SoldItem:
    """An item of a subscription with the price that Orgdesk knows."""

    item: gateway.SubscriptionItem
    price: Price

    @property
    def _rank(self) -> tuple[bool, Decimal, str]:
        amount = (self.price.unit_amount or Decimal(0)) * (self.item.quantity or 0)
        return not self.price.is_metered, amount, self.item.id

    @classmethod
    def main(cls, items: Iterable["SoldItem"]) -> "SoldItem":
        """Return the item whose price decides the tier and cycle of its kind.

        It is the most expensive one that is not metered, wherever Stripe lists it.
        """
        return max(items, key=lambda item: item._rank)


@dataclass(frozen=True, slots=True)
class _ItemColumns:
    stripe_id: str
    organization_id: int
    subscription_stripe_id: str
    kind: str
    tier: str
    stripe_price_id: str
    quantity: int | None
    period_starts_at: datetime
    period_ends_at: datetime


def sold_items(
    subscription: gateway.Subscription, prices: Mapping[str, Price]
) -> list[SoldItem]:
    """Return the items whose price is known; Orgdesk sells no others."""
    return [
        SoldItem(item, price)
        for item in subscription.items
        if (price := prices.get(item.price_id)) and price.is_known
    ]


def unsold_prices(
    subscription: gateway.Subscription, prices: Mapping[str, Price]
) -> list[str]:
    """Return the prices of the other items, with the product's name if it is known."""
    sold_ids = {sold.item.id for sold in sold_items(subscription, prices)}
    return [
        _describe(item.price_id, prices.get(item.price_id))
        for item in subscription.items
        if item.id not in sold_ids
    ]


def _describe(price_id: str, price: Price | None) -> str:
    return f"{price_id} ({price.name})" if price and price.name else price_id


def describe_items(items: Iterable[tuple[str, int | None]]) -> str:
    """Return prices with their quantities as a text for people."""
    texts = (
        price if quantity is None else f"{quantity} of {price}"
        for price, quantity in items
    )
    return ", ".join(sorted(texts))


def find_items(subscription_ids: Collection[str]) -> dict[str, list[SubscriptionItem]]:
    """Return the mirrored items by subscription; one query."""
    rows = SubscriptionItem.objects.filter(subscription_stripe_id__in=subscription_ids)
    items: dict[str, list[SubscriptionItem]] = {}
    for row in rows.order_by("id"):
        items.setdefault(row.subscription_stripe_id, []).append(row)
    return items


def write_items(
    subscriptions: Sequence[gateway.Subscription],
    prices: Mapping[str, Price],
    organization_ids: Mapping[str, int],  # by customer
    context: FetchContext,
    *,
    unused: Collection[tuple[str, str]] = (),
) -> set[str]:
    """Write the sold items of subscriptions and delete those they have no more.

    `unused` are subscriptions, each with a kind, whose items are not wanted. Returns
    the subscriptions whose items changed. Two statements, and outside a run a third;
    rows that were read from Stripe after the answer stay as they are.
    """
    columns = [
        _build_columns(subscription, sold, organization_ids[subscription.customer_id])
        for subscription in subscriptions
        for sold in sold_items(subscription, prices)
        if (subscription.id, sold.price.kind) not in unused
    ]
    written, at = upsert(TABLE, columns, context.at), context.at
    if context.run_id is None:
        mark_synced(TABLE, [row.stripe_id for row in columns], at)
    changed = {
        row.subscription_stripe_id for row in columns if row.stripe_id in written
    }
    ids = [subscription.id for subscription in subscriptions]
    return changed | _delete_others(ids, [row.stripe_id for row in columns], at)


def _build_columns(
    subscription: gateway.Subscription, sold: SoldItem, organization_id: int
) -> _ItemColumns:
    return _ItemColumns(
        stripe_id=sold.item.id,
        organization_id=organization_id,
        subscription_stripe_id=subscription.id,
        kind=sold.price.kind,
        tier=sold.price.tier,
        stripe_price_id=sold.item.price_id,
        quantity=sold.item.quantity,
        period_starts_at=sold.item.period_starts_at,
        period_ends_at=sold.item.period_ends_at,
    )


def _delete_others(
    subscription_ids: Sequence[str], item_ids: Sequence[str], at: datetime
) -> set[str]:
    """Delete the other items of subscriptions; return which subscriptions had any.

    The rows are locked in the order of their ids, as `upsert` locks them.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DELETE, [list(subscription_ids), list(item_ids), at])
        return {stripe_id for (stripe_id,) in cursor.fetchall()}


_DELETE = """
delete from billing_subscriptionitem where id in (
    select id from billing_subscriptionitem
    where subscription_stripe_id = any(%s::text[])
        and not stripe_id = any(%s::text[]) and synced_at <= %s
    order by stripe_id for update)
returning subscription_stripe_id
"""
