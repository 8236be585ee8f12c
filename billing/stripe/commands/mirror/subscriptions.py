"""Subscriptions: one live one of each kind; the tier is what the price says."""

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
    Columns,
    Look,
    columns_of,
    has_ended,
    known_items,
)
from billing.stripe.commands.mirror.duplicates import find_duplicates
from billing.stripe.commands.mirror.fetches import Fetch, Outcome, note
from billing.stripe.commands.mirror.owners import Owner, owners_of
from billing.stripe.commands.mirror.prices import known_prices
from billing.stripe.commands.mirror.writing import changed, touch, upsert

TABLE = "billing_subscription"
# What a difference is called, by the columns that it is in.
_KINDS = {
    Discrepancy.Kind.CUSTOMER: ("organization_id",),
    Discrepancy.Kind.TIER: ("tier",),
    Discrepancy.Kind.PRICE: ("stripe_price_id", "cycle", "kind"),
    Discrepancy.Kind.SEATS: ("seats",),
    Discrepancy.Kind.STATUS: ("status", "trial_ends_at", "cancels_at", "pause_reason"),
    Discrepancy.Kind.PERIOD: ("period_starts_at", "period_ends_at"),
}


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
    customers = {one.customer_id for one in subscriptions}
    owners = owners_of(customers)
    look = _look([one for one in subscriptions if _is_ours(one, owners, fetch)], owners)
    outcome = Outcome(strangers=customers - set(owners))
    wanted = _wanted(look, fetch)
    ages = {one.id: one.created_at for one in look.ours}
    rivals = find_duplicates(wanted, look.rows.values(), ages)
    if not is_all:
        outcome.contested = {one.customer_id for one in look.ours if one.id in rivals}
        look.leave_out(outcome.contested)
        wanted, rivals = _wanted(look, fetch), {}
    outcome.met = {one.id: owners[one.customer_id].organization_id for one in look.ours}
    books = _Books(look, wanted, rivals, fetch)
    found = [difference for one in look.ours for difference in books.of(one)]
    outcome.discrepancy_count = note(found, list(outcome.met), fetch)
    if fetch.repairs:
        outcome.written = _write(wanted, rivals, fetch)
    return outcome


def _is_ours(
    one: gateway.Subscription, owners: Mapping[str, Owner], fetch: Fetch
) -> bool:
    owner = owners.get(one.customer_id)
    return owner is not None and fetch.white_label_id in (None, owner.white_label_id)


def _look(ours: list[gateway.Subscription], owners: Mapping[str, Owner]) -> Look:
    """Two reads by index: the rows themselves, and who else is live."""
    prices = known_prices({item.price_id for one in ours for item in one.items})
    own = Subscription.objects.filter(stripe_id__in=[one.id for one in ours])
    ids = {owners[one.customer_id].organization_id for one in ours}
    live = Subscription.objects.filter(organization_id__in=ids, status__in=LIVE)
    rows = {row.stripe_id: row for rows in (own, live) for row in rows}
    return Look(ours, owners, prices, rows)


def _wanted(look: Look, fetch: Fetch) -> dict[str, Columns]:
    found = ((one.id, columns_of(one, look, fetch)) for one in look.ours)
    return {id_: columns for id_, columns in found if columns is not None}


# --- what differs, and writing it -------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Books:
    """What is said of each subscription, ours beside theirs."""

    look: Look
    wanted: Mapping[str, Columns]
    rivals: Mapping[str, str]
    fetch: Fetch

    def of(self, one: gateway.Subscription) -> Iterator[Difference]:
        row, columns = self.look.rows.get(one.id), self.wanted.get(one.id)
        used = self.rivals.get(one.id, one.id)
        if not has_ended(one) and not known_items(one, self.look.prices):
            prices = ", ".join(item.price_id for item in one.items)
            yield self._told(one, "unknown_price", row.tier if row else "", prices)
        if used != one.id:
            theirs = f"{one.id} is {one.status}"
            yield self._told(one, "two_live", f"{used} is used", theirs)
        elif columns and row:
            for kind in changed(row, columns, _KINDS):
                yield self._told(one, kind, _said(row, kind), _said(columns, kind))
        elif columns and self.fetch.records_new:
            yield self._told(one, "missing", "", _said(columns, Discrepancy.Kind.TIER))

    def _told(
        self, one: gateway.Subscription, kind: str, ours: str, theirs: str
    ) -> Difference:
        owner, row = self.look.owners[one.customer_id], self.look.rows.get(one.id)
        return Difference(
            kind,
            one.id,
            ours,
            theirs,
            theirs_at=self.fetch.at,
            ours_at=row.synced_at if row else None,
            organization_id=owner.organization_id,
            white_label_id=owner.white_label_id,
        )


def _said(one: Subscription | Columns, kind: str) -> str:
    values = (getattr(one, name) for name in _KINDS[Discrepancy.Kind(kind)])
    return " · ".join(_text(value) for value in values if value not in (None, ""))


def _text(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else str(value)


def _write(
    wanted: Mapping[str, Columns], rivals: Mapping[str, str], fetch: Fetch
) -> int:
    """Those that end first, or a new live one would meet its predecessor."""
    lost = [id_ for id_, used in rivals.items() if used != id_]
    rows = [one for one in wanted.values() if one.stripe_id not in lost]
    removed, _ = Subscription.objects.filter(
        stripe_id__in=lost, synced_at__lte=fetch.at
    ).delete()
    written = upsert(TABLE, [one for one in rows if not one.is_live], fetch.at)
    written |= upsert(TABLE, [one for one in rows if one.is_live], fetch.at)
    if fetch.run_id is None:
        touch(TABLE, list(wanted), fetch.at)
    if written:
        ids = sorted({wanted[id_].organization_id for id_ in written})
        terms_changed.send(Subscription, organization_ids=ids)
    return len(written) + removed
