"""Prices: what the tiers of subscriptions are read from."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection, transaction

from billing.gateway import Price
from billing.models import Price as Row
from billing.models import Subscription
from billing.stripe.commands.mirror.fetches import Fetch
from billing.stripe.commands.mirror.writing import clean, upsert

_LONGEST_TIER = 32


@dataclass(frozen=True, slots=True)
class _Columns:
    stripe_id: str
    stripe_product_id: str
    name: str
    kind: str
    tier: str
    cycle: str
    unit_amount: Decimal | None
    currency: str
    is_active: bool


@transaction.atomic
def mirror_prices(prices: Sequence[Price], fetch: Fetch) -> int:
    """Answers how many rows were written; subscriptions follow what an event renamed.

    A run comes by the subscriptions itself, and writes down what differs.
    """
    written = upsert("billing_price", [_columns(one) for one in prices], fetch.at)
    if written and fetch.run_id is None:
        _rename(written)
    return len(written)


def _columns(price: Price) -> _Columns:
    """A kind or a tier that is none of ours is an unknown price."""
    kind = price.kind if price.kind in Subscription.Kind.values else ""
    tier = clean(price.tier.strip(), _LONGEST_TIER + 1)
    return _Columns(
        stripe_id=price.id,
        stripe_product_id=price.product_id,
        name=clean(price.name, 250),
        kind=kind,
        tier=tier if len(tier) <= _LONGEST_TIER else "",
        cycle=price.cycle,
        unit_amount=price.unit_amount,
        currency=price.currency,
        is_active=price.is_active,
    )


def _rename(price_ids: set[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "update billing_subscription s set tier = p.tier, cycle = p.cycle"
            " from billing_price p where p.stripe_id = any(%s)"
            " and s.stripe_price_id = p.stripe_id and s.kind = p.kind"
            " and p.tier > '' and p.cycle > ''"
            " and (s.tier, s.cycle) is distinct from (p.tier, p.cycle)",
            [sorted(price_ids)],
        )


def known_prices(price_ids: set[str]) -> dict[str, Row]:
    return {row.stripe_id: row for row in Row.objects.filter(stripe_id__in=price_ids)}
