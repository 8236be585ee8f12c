"""Differences found between our rows and Stripe: seen, seen again, gone.

One row per object and kind while it lasts; bulk, for a run meets thousands.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from billing.models import Discrepancy


@dataclass(frozen=True, slots=True)
class Difference:
    """What we say and what Stripe says of one object, in words for people."""

    kind: str
    stripe_id: str
    ours: str
    theirs: str
    theirs_at: datetime  # when Stripe was asked
    ours_at: datetime | None = None  # when it was asked for what we say
    organization_id: int | None = None  # null: nobody's
    white_label_id: int | None = None

    @property
    def is_warning(self) -> bool:
        return self.kind in Discrepancy.WARNINGS


def record(found: Iterable[Difference], *, run_id: int | None = None) -> None:
    """Write them down; one that is known is seen again."""
    rows = sorted(found, key=lambda one: (one.stripe_id, one.kind))
    if not rows:
        return
    columns = [[getattr(row, name) for row in rows] for name in _NAMES]
    with connection.cursor() as cursor:
        cursor.execute(
            _RECORD, {"run": run_id, **dict(zip(_NAMES, columns, strict=True))}
        )


def close(
    stripe_ids: Collection[str], *, but: Iterable[Difference], at: datetime, by: str
) -> None:
    """These objects were looked at: what is not found any more has healed."""
    left = {(one.stripe_id, one.kind) for one in but}
    known = Discrepancy.objects.filter(stripe_id__in=stripe_ids, resolved_at=None)
    gone = [
        id_
        for id_, *key in known.values_list("id", "stripe_id", "kind")
        if tuple(key) not in left
    ]
    if gone:
        Discrepancy.objects.filter(id__in=gone, resolved_at=None).update(
            resolved_at=at, resolved_by=by[:200]
        )


_NAMES = (
    "white_label_id", "organization_id", "kind", "stripe_id", "ours", "theirs",
    "ours_at", "theirs_at",
)  # fmt: skip
_RECORD = """
insert into billing_discrepancy as d (white_label_id, organization_id, kind, stripe_id,
    ours,
    theirs, ours_at, theirs_at, run_id, first_seen_at, last_seen_at, resolved_by)
select f.*, %(run)s, f.theirs_at, f.theirs_at, '' from unnest(
    %(white_label_id)s::bigint[], %(organization_id)s::bigint[], %(kind)s::text[],
    %(stripe_id)s::text[], %(ours)s::text[], %(theirs)s::text[],
    %(ours_at)s::timestamptz[], %(theirs_at)s::timestamptz[]
) f (white_label_id, organization_id, kind, stripe_id, ours, theirs, ours_at, theirs_at)
on conflict (stripe_id, kind) where resolved_at is null do update set
    ours = excluded.ours, theirs = excluded.theirs, ours_at = excluded.ours_at,
    theirs_at = excluded.theirs_at, last_seen_at = excluded.last_seen_at,
    organization_id = excluded.organization_id,
    white_label_id = excluded.white_label_id,
    run_id = coalesce(excluded.run_id, d.run_id)
"""
