"""How many organizations stand behind each tab of the list, as far as it matters."""

from collections import Counter
from typing import Any

from django.db.models import CharField, OuterRef, QuerySet, Subquery, Value

from billing.console.queries.organization_list import FleetFilters, State, narrowed, why
from orgs.models.organizations import OrganizationQuerySet

MOST_COUNTED = 100  # of each tab; one beyond it is "more than"
_OF_MONEY = (State.TRIAL, State.UNPAID, State.PAUSED)


def count_tabs(
    visible: OrganizationQuerySet, *, white_label_id: int | None = None
) -> dict[State, int]:
    """One query; of each tab it stops one beyond `MOST_COUNTED`.

    Of all there is no count: the list would read a million for a number. Where all
    that are visible are of one white label, say so: its rows have an index.
    """
    of = {} if white_label_id is None else {"white_label": white_label_id}
    ends = [_deleted(visible), *(_end(visible, state, of) for state in _OF_MONEY)]
    found = Counter(tab for tab, _ in ends[0].union(*ends[1:], all=True))
    return {state: found[state.value] for state in (*_OF_MONEY, State.DELETED)}


End = QuerySet[Any, tuple[Any, ...]]  # the tab, and the id of an organization behind it


def _deleted(visible: OrganizationQuerySet) -> End:
    rows = narrowed(visible, FleetFilters(state=State.DELETED)).order_by()
    return rows.values_list(_tab(State.DELETED), "pk")[: MOST_COUNTED + 1]


def _end(visible: OrganizationQuerySet, state: State, of: dict[str, int]) -> End:
    """Found by what puts it there; whether it is visible is looked up for each.

    By a subquery that the planner cannot turn around: it takes a hundred of them to
    lie among the first organizations, and would read those one after the other.
    """
    owner = visible.active().filter(pk=OuterRef("organization")).values("pk")[:1]
    rows: QuerySet[Any] = why(state).filter(**of).alias(owner=Subquery(owner))
    rows = rows.filter(owner__isnull=False).order_by("organization_id")
    ids = rows.values_list(_tab(state), "organization_id").distinct()
    return ids[: MOST_COUNTED + 1]


def _tab(state: State) -> Value:
    return Value(state.value, output_field=CharField())
