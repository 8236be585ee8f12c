"""Discrepancies between Orgdesk and Stripe: first seen, seen again, resolved.

There is one open row per object and kind. Writes are in bulk, because a run finds
thousands.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from billing.models import Discrepancy


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference found for one object: Orgdesk's and Stripe's values as texts."""

    kind: str
    stripe_id: str
    orgdesk_value: str
    stripe_value: str
    stripe_read_at: datetime  # when Stripe was asked
    orgdesk_read_at: datetime | None = None  # when Orgdesk's row was read from Stripe
    organization_id: int | None = None  # null: an unlinked customer
    white_label_id: int | None = None
    amount: Decimal | None = None  # of charges that an invoice lacks
    currency: str = ""

    @property
    def is_warning(self) -> bool:
        """True if only a person can resolve the difference."""
        return self.kind in Discrepancy.WARNINGS


def record(differences: Iterable[Difference], *, run_id: int | None = None) -> None:
    """Store differences; a discrepancy that is open already is marked as seen again."""
    # Sorted, so that two transactions lock the same rows in the same order.
    rows = sorted(differences, key=lambda row: (row.stripe_id, row.kind))
    if not rows:
        return
    columns = {name: [getattr(row, name) for row in rows] for name in _NAMES}
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, {"run": run_id, **columns})


def resolve_absent(
    stripe_ids: Collection[str],
    *,
    remaining: Iterable[Difference],
    at: datetime,
    by: str,
    kinds: Collection[str] = (),
    partial: Collection[str] = (),
) -> None:
    """Resolve the open discrepancies of these objects that are not in `remaining`.

    Only of these kinds, if any are given; else of all but missing charges, which are
    compared apart. `partial` are objects that were not read as a whole: they stay
    unreadable if they were.
    """
    remaining_keys = {(row.stripe_id, row.kind) for row in remaining}
    remaining_keys |= {(id_, Discrepancy.Kind.UNREADABLE.value) for id_ in partial}
    open_rows = Discrepancy.objects.filter(
        stripe_id__in=stripe_ids,
        resolved_at=None,
        kind__in=kinds or _COMPARED_WITH_THEIR_OBJECT,
    )
    absent_ids = [
        id_
        for id_, *key in open_rows.values_list("id", "stripe_id", "kind")
        if tuple(key) not in remaining_keys
    ]
    if absent_ids:
        Discrepancy.objects.filter(id__in=absent_ids, resolved_at=None).update(
            resolved_at=at, resolved_by=by[:200]
        )


_COMPARED_WITH_THEIR_OBJECT = [
    kind for kind in Discrepancy.Kind.values if kind != Discrepancy.Kind.CHARGES
]
_NAMES = (
    "white_label_id", "organization_id", "kind", "stripe_id", "orgdesk_value",
    "stripe_value", "orgdesk_read_at", "stripe_read_at", "amount", "currency",
)  # fmt: skip
# One statement for all rows. The conflict is with the open row of the same object and
# kind: it gets the new values and keeps when it was first seen. A fetch outside a run
# does not take a row away from the run that saw it last.
_RECORD = """
insert into billing_discrepancy as d (white_label_id, organization_id, kind, stripe_id,
    orgdesk_value, stripe_value, orgdesk_read_at, stripe_read_at, amount, currency,
    run_id, first_seen_at, last_seen_at, resolved_by)
select f.*, %(run)s, f.stripe_read_at, f.stripe_read_at, '' from unnest(
    %(white_label_id)s::bigint[], %(organization_id)s::bigint[], %(kind)s::text[],
    %(stripe_id)s::text[], %(orgdesk_value)s::text[], %(stripe_value)s::text[],
    %(orgdesk_read_at)s::timestamptz[], %(stripe_read_at)s::timestamptz[],
    %(amount)s::numeric[], %(currency)s::text[]
) f (white_label_id, organization_id, kind, stripe_id, orgdesk_value, stripe_value,
    orgdesk_read_at, stripe_read_at, amount, currency)
on conflict (stripe_id, kind) where resolved_at is null do update set
    orgdesk_value = excluded.orgdesk_value, stripe_value = excluded.stripe_value,
    orgdesk_read_at = excluded.orgdesk_read_at,
    stripe_read_at = excluded.stripe_read_at, last_seen_at = excluded.last_seen_at,
    amount = excluded.amount, currency = excluded.currency,
    organization_id = excluded.organization_id,
    white_label_id = excluded.white_label_id,
    run_id = coalesce(excluded.run_id, d.run_id)
"""
