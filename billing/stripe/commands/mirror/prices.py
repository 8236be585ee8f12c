"""Prices of Stripe: they determine the kind, tier and cycle of subscriptions."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection, transaction

from billing import gateway
from billing.models import Price, Subscription
from billing.stripe.commands.mirror.fetches import FetchContext
from billing.stripe.commands.mirror.unreadable import resolve_readable
from billing.stripe.commands.mirror.upserts import clean, upsert
from billing.stripe.commands.upcoming import mark_prices_outdated

_LONGEST_TIER, _LONGEST_NAME = 32, 250


@dataclass(frozen=True, slots=True)
class _PriceColumns:
    stripe_id: str
    stripe_product_id: str
    name: str
    kind: str
    tier: str
    cycle_interval: str
    cycle_count: int
    is_metered: bool
    unit_amount: Decimal | None
    currency: str
    is_active: bool


@transaction.atomic
def mirror_prices(prices: Sequence[gateway.Price], context: FetchContext) -> int:
    """Write the prices that differ and return how many did.

    After an event, the subscriptions with those prices get the new tier and cycle. A
    run reads the subscriptions later and records what differs.
    """
    resolve_readable([price.id for price in prices], context)
    columns = [_build_columns(price) for price in prices]
    written = upsert("billing_price", columns, context.at)
    if written and context.run_id is None:
        _update_subscriptions(written)
    if written:
        mark_prices_outdated(written)
    return len(written)


def _build_columns(price: gateway.Price) -> _PriceColumns:
    """Return the row of a price; an invalid kind or tier makes it an unknown price."""
    kind = price.kind if price.kind in Subscription.Kind.values else ""
    tier = clean(price.tier.strip(), _LONGEST_TIER + 1)
    return _PriceColumns(
        stripe_id=price.id,
        stripe_product_id=price.product_id,
        name=clean(price.name, _LONGEST_NAME),
        kind=kind,
        tier=tier if len(tier) <= _LONGEST_TIER else "",
        cycle_interval=price.interval,
        cycle_count=price.interval_count,
        is_metered=price.is_metered,
        unit_amount=price.unit_amount,
        currency=price.currency,
        is_active=price.is_active,
    )


def _update_subscriptions(price_ids: set[str]) -> None:
    """Copy the tier and cycle of known prices to the subscriptions that have them."""
    with connection.cursor() as cursor:
        for statement in (_UPDATE_SUBSCRIPTIONS, _UPDATE_ITEMS):
            cursor.execute(statement, [sorted(price_ids)])


# Rows that would not change are left alone, so that history gets no empty versions.
_UPDATE_SUBSCRIPTIONS = """
update billing_subscription s set tier = p.tier, cycle_interval = p.cycle_interval,
    cycle_count = p.cycle_count
from billing_price p
where p.stripe_id = any(%s)
    and s.stripe_price_id = p.stripe_id and s.kind = p.kind
    and p.tier > '' and p.cycle_interval > ''
    and (s.tier, s.cycle_interval, s.cycle_count)
        is distinct from (p.tier, p.cycle_interval, p.cycle_count)
"""


_UPDATE_ITEMS = """
update billing_subscriptionitem i set tier = p.tier
from billing_price p
where p.stripe_id = any(%s) and i.stripe_price_id = p.stripe_id and i.kind = p.kind
    and p.tier > '' and i.tier <> p.tier
"""


def find_prices(price_ids: set[str]) -> dict[str, Price]:
    """Return the mirrored prices by id in Stripe."""
    rows = Price.objects.filter(stripe_id__in=price_ids)
    return {row.stripe_id: row for row in rows}
