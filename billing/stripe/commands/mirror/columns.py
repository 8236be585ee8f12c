"""What a subscription's row should be, from what Stripe and the price say of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from billing import gateway
from billing.models import Price, Subscription
from billing.models.mirrors import LIVE
from billing.stripe.commands.mirror.fetches import Fetch
from billing.stripe.commands.mirror.owners import Owner
from billing.stripe.commands.mirror.writing import clean

_ENDED = ("canceled", "incomplete_expired")
_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Columns:
    stripe_id: str
    organization_id: int
    kind: str
    status: str
    tier: str
    cycle: str
    stripe_price_id: str
    seats: int | None
    trial_ends_at: datetime | None
    cancels_at: datetime | None
    pause_reason: str
    paused_at: datetime | None
    period_starts_at: datetime
    period_ends_at: datetime

    @property
    def is_live(self) -> bool:
        return self.status in LIVE


@dataclass(slots=True)
class Look:
    """What must be known to read them: whose they are, what is sold, what we have."""

    ours: list[gateway.Subscription]
    owners: Mapping[str, Owner]
    prices: Mapping[str, Price]
    rows: Mapping[str, Subscription]  # by stripe_id; live ones of the owners, too

    def leave_out(self, customer_ids: Collection[str]) -> None:
        self.ours = [one for one in self.ours if one.customer_id not in customer_ids]


def columns_of(one: gateway.Subscription, look: Look, fetch: Fetch) -> Columns | None:
    """Nothing for a new one of an unknown price.

    One that we have keeps its kind, tier and price while its price is unknown; the
    rest follows.
    """
    row = look.rows.get(one.id)
    item = next(iter(known_items(one, look.prices)), one.item)
    price = look.prices.get(item.price_id)
    sold: Price | Subscription | None = price if price and price.is_known else row
    if sold is None:
        return None
    status = _status(one)
    is_kept = row is not None and sold is row
    return Columns(
        stripe_id=one.id,
        organization_id=look.owners[one.customer_id].organization_id,
        kind=sold.kind,
        status=status,
        tier=sold.tier,
        cycle=sold.cycle,
        stripe_price_id=row.stripe_price_id if row and is_kept else item.price_id,
        seats=item.quantity if sold.kind == Subscription.Kind.SPACES else None,
        trial_ends_at=one.trial_ends_at,
        cancels_at=one.cancels_at,
        pause_reason=_pause_reason(one, status),
        paused_at=_paused_at(row, status, fetch),
        period_starts_at=item.period_starts_at,
        period_ends_at=item.period_ends_at,
    )


def known_items(
    one: gateway.Subscription, prices: Mapping[str, Price]
) -> list[gateway.SubscriptionItem]:
    """Those that sell something we know; the others are Stripe's affair."""
    return [
        item
        for item in one.items
        if (price := prices.get(item.price_id)) and price.is_known
    ]


def has_ended(one: gateway.Subscription) -> bool:
    return one.status in _ENDED


def _status(one: gateway.Subscription) -> str:
    """Ours. While invoices are void it is paused; what has ended is not."""
    if has_ended(one):
        return Subscription.Status.CANCELED
    return Subscription.Status.PAUSED if _is_paused(one) else one.status


def _is_paused(one: gateway.Subscription) -> bool:
    return one.is_paused and one.status in LIVE


def _pause_reason(one: gateway.Subscription, status: str) -> str:
    is_paused = status == Subscription.Status.PAUSED
    return clean(one.pause_reason, _LONGEST_REASON) if is_paused else ""


def _paused_at(row: Subscription | None, status: str, fetch: Fetch) -> datetime | None:
    """Stripe does not say since when: since we first saw it."""
    if status != Subscription.Status.PAUSED:
        return None
    known = row is not None and row.status == Subscription.Status.PAUSED
    return row.paused_at if row and known and row.paused_at else fetch.at
