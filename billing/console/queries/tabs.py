"""Query of the number of organizations on each tab of the list, up to a maximum."""

from collections import Counter
from typing import Any

from django.db.models import CharField, OuterRef, QuerySet, Subquery, Value

from billing.console.queries.organization_list import (
    FleetFilters,
    State,
    filter_organizations,
    rows_behind_tab,
)
from orgs.models.organizations import OrganizationQuerySet

MAX_COUNT = 1_000  # of each tab; a count of one more means "more than"
_BILLING_STATES = (State.TRIAL, State.UNPAID, State.PAUSED)


def count_tabs(
    visible: OrganizationQuerySet, *, white_label_id: int | None = None
) -> dict[State, int]:
    """Return the number of organizations on each tab; one query.

    Counting stops at `MAX_COUNT` + 1. The tab of all organizations has no count, which
    would read the whole fleet. Pass `white_label_id` if all that are visible belong to
    one white label: its rows have an index.
    """
    scope = {} if white_label_id is None else {"white_label": white_label_id}
    tabs = [
        _deleted_tab(visible),
        *(_billing_tab(visible, state, scope) for state in _BILLING_STATES),
    ]
    counts = Counter(tab for tab, _ in tabs[0].union(*tabs[1:], all=True))
    return {state: counts[state.value] for state in (*_BILLING_STATES, State.DELETED)}


TabRows = QuerySet[Any, tuple[Any, ...]]  # the tab and the id of an organization


def _deleted_tab(visible: OrganizationQuerySet) -> TabRows:
    rows = filter_organizations(visible, FleetFilters(state=State.DELETED)).order_by()
    return rows.values_list(_tab_value(State.DELETED), "pk")[: MAX_COUNT + 1]


def _billing_tab(
    visible: OrganizationQuerySet, state: State, scope: dict[str, int]
) -> TabRows:
    """Return the organizations of a tab, found by its invoices or subscriptions.

    Whether an organization is visible is looked up for each by a scalar subquery, which
    PostgreSQL cannot turn into a join. With a join it expects to find a hundred among
    the first organizations, and then reads those one after the other.
    """
    owner = visible.active().filter(pk=OuterRef("organization")).values("pk")[:1]
    rows: QuerySet[Any] = rows_behind_tab(state).filter(**scope)
    rows = rows.alias(owner=Subquery(owner)).filter(owner__isnull=False)
    rows = rows.order_by("organization_id")
    ids = rows.values_list(_tab_value(state), "organization_id").distinct()
    return ids[: MAX_COUNT + 1]


def _tab_value(state: State) -> Value:
    return Value(state.value, output_field=CharField())
