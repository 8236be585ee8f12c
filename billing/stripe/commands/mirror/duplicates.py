"""Two live subscriptions of one kind: which of them is used."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from billing.models import Subscription
from billing.models.mirrors import LIVE
from billing.stripe.commands.mirror.columns import Columns


def find_duplicates(
    wanted: Mapping[str, Columns],
    rows: Iterable[Subscription],
    ages: Mapping[str, datetime],
) -> dict[str, str]:
    """Of each live one that is not alone in its organization and kind: who is used.

    `rows` are ours, which may have ended; they count where Stripe did not say so.
    """
    groups: dict[tuple[int, str], set[str]] = defaultdict(set)
    for one in wanted.values():
        if one.is_live:
            groups[one.organization_id, one.kind].add(one.stripe_id)
    for row in rows:
        key = row.organization_id, row.kind
        if row.status in LIVE and row.stripe_id not in wanted and key in groups:
            groups[key].add(row.stripe_id)
    return {
        id_: max(group, key=lambda id_: _rank(id_, wanted, ages))
        for group in groups.values()
        if len(group) > 1
        for id_ in group
    }


def _rank(
    stripe_id: str, wanted: Mapping[str, Columns], ages: Mapping[str, datetime]
) -> tuple[bool, float, str]:
    """The newest in good standing; what Stripe did not name comes last."""
    one = wanted.get(stripe_id)
    if one is None:
        return False, 0.0, stripe_id
    is_good = one.status in ("active", "trialing")
    return is_good, ages[stripe_id].timestamp(), stripe_id
