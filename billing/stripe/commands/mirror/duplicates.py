"""Duplicate live subscriptions of one organization and kind: which one is used."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from billing.models import Subscription
from billing.models.mirrors import LIVE
from billing.stripe.commands.mirror.columns import SubscriptionColumns


def find_duplicates(
    columns_by_id: Mapping[str, SubscriptionColumns],
    rows: Iterable[Subscription],
    created_at: Mapping[str, datetime],
) -> dict[str, str]:
    """Return for each duplicate live subscription the id of the one that is used.

    A subscription that is the only live one of its organization and kind is left out.
    `rows` are Orgdesk's: a live one counts only if Stripe's answer did not include it,
    and it may have ended meanwhile.
    """
    groups: dict[tuple[int, str], set[str]] = defaultdict(set)
    for columns in columns_by_id.values():
        if columns.is_live:
            groups[columns.organization_id, columns.kind].add(columns.stripe_id)
    for row in rows:
        key = row.organization_id, row.kind
        is_in_answer = row.stripe_id in columns_by_id
        if row.status in LIVE and not is_in_answer and key in groups:
            groups[key].add(row.stripe_id)
    return {
        id_: max(group, key=lambda id_: _rank(id_, columns_by_id, created_at))
        for group in groups.values()
        if len(group) > 1
        for id_ in group
    }


def _rank(
    stripe_id: str,
    columns_by_id: Mapping[str, SubscriptionColumns],
    created_at: Mapping[str, datetime],
) -> tuple[bool, float, str]:
    """Return a sort key: active before unpaid, then the newest.

    Subscriptions that Stripe's answer did not include come last.
    """
    columns = columns_by_id.get(stripe_id)
    if columns is None:
        return False, 0.0, stripe_id
    is_active = columns.status in ("active", "trialing")
    return is_active, created_at[stripe_id].timestamp(), stripe_id
