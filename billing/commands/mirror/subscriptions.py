"""Subscriptions: one live one of each kind; the tier is what the price says."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from billing import gateway
from billing.commands.differences import Difference
from billing.commands.mirror.fetches import Fetch, Outcome, note
from billing.commands.mirror.owners import Owner, owners_of
from billing.commands.mirror.prices import known_prices
from billing.commands.mirror.rivals import Columns, find_rivals
from billing.commands.mirror.writing import changed, clean, touch, upsert
from billing.models import Drift, Price, Subscription
from billing.models.mirrors import LIVE

TABLE = "billing_subscription"
_STATUSES = {"incomplete_expired": "canceled"} | {
    status: status for status in Subscription.Status.values
}
# What a difference is called, by the columns that it is in.
_KINDS = {
    Drift.Kind.CUSTOMER: ("organization_id",),
    Drift.Kind.TIER: ("tier",),
    Drift.Kind.PRICE: ("stripe_price_id", "cycle", "kind"),
    Drift.Kind.SEATS: ("seats",),
    Drift.Kind.STATUS: ("status", "trial_ends_at", "cancels_at", "pause_reason"),
    Drift.Kind.PERIOD: ("period_starts_at", "period_ends_at"),
}


@dataclass(slots=True)
class _Look:
    """What the rows, the owners and the prices make of what Stripe said."""

    fetch: Fetch
    owners: Mapping[str, Owner]
    prices: Mapping[str, Price]
    rows: Mapping[str, Subscription]  # ours, by stripe_id; live ones of the owners, too


@transaction.atomic
def mirror_subscriptions(
    subscriptions: Sequence[gateway.Subscription],
    fetch: Fetch,
    *,
    is_all: bool = False,
) -> Outcome:
    """Write what differs. With `is_all` these are all that their customers have.

    Without, an organization that would get a second live one is not written but told
    as contested: its row may be one that ended long ago.
    """
    owners = owners_of({one.customer_id for one in subscriptions})
    outcome = Outcome(
        strangers={one.customer_id for one in subscriptions} - set(owners)
    )
    ours = [one for one in subscriptions if _is_ours(one, owners, fetch)]
    ages = {one.id: one.created_at for one in ours}
    prices = known_prices({item.price_id for one in ours for item in one.items})
    look = _Look(fetch, owners, prices, _rows(ours, owners))
    wanted = {one.id: columns for one in ours if (columns := _columns(one, look))}
    rivals = find_rivals(wanted, look.rows.values(), ages)
    if not is_all:
        outcome.contested = {one.customer_id for one in ours if one.id in rivals}
        of_them = {one.id for one in ours if one.customer_id in outcome.contested}
        ours = [one for one in ours if one.id not in of_them]
        wanted = {id_: one for id_, one in wanted.items() if id_ not in of_them}
        rivals = {}
    outcome.met = {one.id: owners[one.customer_id].organization_id for one in ours}
    found = [one for sub in ours for one in _differences(sub, wanted, rivals, look)]
    outcome.drifted = note(found, [one.id for one in ours], fetch)
    if fetch.heals:
        outcome.written = _write(wanted, rivals, look)
    return outcome


def _is_ours(
    one: gateway.Subscription, owners: Mapping[str, Owner], fetch: Fetch
) -> bool:
    owner = owners.get(one.customer_id)
    return owner is not None and fetch.white_label_id in (None, owner.white_label_id)


def _rows(
    ours: Collection[gateway.Subscription], owners: Mapping[str, Owner]
) -> dict[str, Subscription]:
    """Two reads by index: the rows themselves, and who else is live."""
    own = Subscription.objects.filter(stripe_id__in=[one.id for one in ours])
    ids = {owners[one.customer_id].organization_id for one in ours}
    live = Subscription.objects.filter(organization_id__in=ids, status__in=LIVE)
    return {row.stripe_id: row for rows in (own, live) for row in rows}


def _columns(one: gateway.Subscription, look: _Look) -> Columns | None:
    """Nothing for a new one of an unknown price; of a known one the rest follows."""
    row = look.rows.get(one.id)
    item = next(iter(_known_items(one, look.prices)), one.item)
    price = look.prices.get(item.price_id)
    sold: Price | Subscription | None = price if price and price.is_known else row
    if sold is None:
        return None
    is_known = sold is price
    status = "paused" if _is_paused(one) else _STATUSES.get(one.status, "")
    kept_at = row.paused_at if row and row.status == "paused" else None
    is_spaces = sold.kind == Subscription.Kind.SPACES
    return Columns(
        stripe_id=one.id,
        organization_id=look.owners[one.customer_id].organization_id,
        kind=sold.kind,
        status=status,
        tier=sold.tier,
        cycle=sold.cycle,
        stripe_price_id=item.price_id
        if is_known or row is None
        else row.stripe_price_id,
        seats=item.quantity if is_spaces else None,
        trial_ends_at=one.trial_ends_at,
        cancels_at=one.cancels_at,
        pause_reason=clean(one.pause_reason, 200) if status == "paused" else "",
        paused_at=(kept_at or look.fetch.at) if status == "paused" else None,
        period_starts_at=item.period_starts_at,
        period_ends_at=item.period_ends_at,
    )


def _known_items(
    one: gateway.Subscription, prices: Mapping[str, Price]
) -> list[gateway.SubscriptionItem]:
    """Those that sell something we know; the others are Stripe's affair."""
    return [
        item
        for item in one.items
        if (price := prices.get(item.price_id)) and price.is_known
    ]


def _is_paused(one: gateway.Subscription) -> bool:
    """Its invoices are void for now; what has ended is not paused."""
    return one.is_paused and one.status in LIVE


# --- what differs, and writing it -------------------------------------------------


def _differences(
    one: gateway.Subscription,
    wanted: Mapping[str, Columns],
    rivals: Mapping[str, str],
    look: _Look,
) -> Iterator[Difference]:
    owner, row = look.owners[one.customer_id], look.rows.get(one.id)
    columns, used = wanted.get(one.id), rivals.get(one.id)

    def told(kind: str, ours: str, theirs: str) -> Difference:
        return Difference(
            kind,
            one.id,
            ours,
            theirs,
            theirs_at=look.fetch.at,
            ours_at=row.synced_at if row else None,
            organization_id=owner.organization_id,
            white_label_id=owner.white_label_id,
        )

    if not _known_items(one, look.prices) and _STATUSES.get(one.status) != "canceled":
        prices = ", ".join(item.price_id for item in one.items)
        yield told(Drift.Kind.UNKNOWN_PRICE, row.tier if row else "", prices)
    if used and used != one.id:
        yield told(Drift.Kind.TWO_LIVE, f"{used} is used", f"{one.id} is {one.status}")
    elif columns and row:
        for kind in changed(row, columns, _KINDS):
            yield told(kind, _said(row, kind), _said(columns, kind))
    elif columns and look.fetch.records_new:
        yield told(Drift.Kind.MISSING, "", _said(columns, Drift.Kind.TIER))


def _said(one: Subscription | Columns, kind: str) -> str:
    values = (getattr(one, name) for name in _KINDS[Drift.Kind(kind)])
    return " · ".join(_text(value) for value in values if value not in (None, ""))


def _text(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else str(value)


def _write(
    wanted: Mapping[str, Columns], rivals: Mapping[str, str], look: _Look
) -> int:
    """Those that end first, or a new live one would meet its predecessor."""
    at = look.fetch.at
    lost = [id_ for id_, used in rivals.items() if used != id_]
    rows = [one for one in wanted.values() if one.stripe_id not in lost]
    removed, _ = Subscription.objects.filter(
        stripe_id__in=lost, synced_at__lte=at
    ).delete()
    written = upsert(TABLE, [one for one in rows if not one.is_live], at)
    written |= upsert(TABLE, [one for one in rows if one.is_live], at)
    if look.fetch.run_id is None:
        touch(TABLE, list(wanted), at)
    return len(written) + removed
