"""Duplicate live subscriptions of one organization and kind: which one is used."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from billing.models import Subscription
from billing.models.mirrors import LIVE
from billing.stripe.commands.mirror.columns import RowKey, SubscriptionColumns


def find_duplicates(
    columns_by_key: Mapping[RowKey, SubscriptionColumns],
    rows: Iterable[Subscription],
    created_at: Mapping[str, datetime],
) -> dict[RowKey, str]:
    """Return for each duplicate live row the subscription that is used for its kind.

    A subscription that is the only live one of its organization and kind is left out.
    `rows` are Orgdesk's: a live one counts only if Stripe's answer did not include it,
    and it may have ended meanwhile.
    """
    groups: dict[tuple[int, str], set[str]] = defaultdict(set)
    for columns in columns_by_key.values():
        if columns.is_live:
            groups[columns.organization_id, columns.kind].add(columns.stripe_id)
    for row in rows:
        key = row.organization_id, row.kind
        is_in_answer = row.stripe_id in created_at
        if row.status in LIVE and not is_in_answer and key in groups:
            groups[key].add(row.stripe_id)
    return {
        (id_, kind): max(
            group,
            key=lambda id_: _rank(columns_by_key.get((id_, kind)), id_, created_at),
        )
        for (_, kind), group in groups.items()
        if len(group) > 1
        for id_ in group
    }


def _rank(
    columns: SubscriptionColumns | None,
    stripe_id: str,
    created_at: Mapping[str, datetime],
) -> tuple[bool, float, str]:
    """Return a sort key: active before unpaid, then the newest.

    Subscriptions that Stripe's answer did not include come last.
    """
    if columns is None:
        return False, 0.0, stripe_id
    is_active = columns.status in ("active", "trialing")
    return is_active, created_at[stripe_id].timestamp(), stripe_id
