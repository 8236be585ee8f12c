"""Paging through a sorted list of organizations of which many have a reason."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import QuerySet

from billing.needs_action.kinds import DEFINITIONS, ReasonKind, kinds_of
from billing.needs_action.queries.filters import filter_by_reasons
from billing.needs_action.queries.reasons import list_reasons
from billing.needs_action.queries.scores import read_scores
from orgs.models import Organization
from orgs.queries.paging import FetchRows, Order, SortKey, fetch_rows

_AT_ONCE = 500  # organizations of which the reasons are read
_MOST_STEPS = 8


def is_frequent(
    names: Sequence[str], white_label_ids: Sequence[int], *, now: datetime
) -> bool:
    """Return whether more organizations have one of these reasons than are counted."""
    counts = read_scores(white_label_ids, now=now).counts
    return not counts.capped.isdisjoint(kinds_of(names))


def reason_fetcher(
    names: Sequence[str], white_label_ids: Sequence[int], *, now: datetime
) -> FetchRows[Organization]:
    """Return the function by which `fetch_page` reads those with a frequent reason.

    The list is read in its order, and the reasons of 500 organizations at a time, until
    a page is full. If a page is not full after 4,000 of them, all that have the reason
    are found and sorted: they are few, or lie close together.
    """

    def fetch(
        organizations: QuerySet[Organization],
        order: Order,
        after: SortKey | None,
        count: int,
    ) -> Sequence[Organization]:
        ids = _walk(organizations, order, after, count, kinds=kinds_of(names), now=now)
        if ids is None:
            rows = filter_by_reasons(organizations, names, white_label_ids)
            return fetch_rows(rows, order, after, count)
        return sorted(organizations.filter(pk__in=ids), key=lambda o: ids.index(o.pk))

    return fetch


def _walk(
    organizations: QuerySet[Organization],
    order: Order,
    after: SortKey | None,
    count: int,
    *,
    kinds: frozenset[ReasonKind],
    now: datetime,
) -> list[int] | None:
    """Return the first organizations with a reason by ID; None if it takes long."""
    selected: list[int] = []
    for _ in range(_MOST_STEPS):
        columns = order.sort(organizations, after).values_list(*order.keys, "pk")
        keys = list(columns[:_AT_ONCE])
        selected += _with_open_reason([key[-1] for key in keys], kinds, now)
        if len(selected) >= count or len(keys) < _AT_ONCE:
            return selected[:count]
        after = keys[-1]
    return None


def _with_open_reason(
    ids: Sequence[int], kinds: frozenset[ReasonKind], now: datetime
) -> list[int]:
    superseding = {by for kind in kinds if (by := DEFINITIONS[kind].superseded_by)}
    needs = list_reasons(ids, now=now, kinds=kinds | superseding)
    return [id_ for id_ in ids if id_ in needs and needs[id_].kinds & kinds]
