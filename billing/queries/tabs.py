"""How many organizations stand behind each tab of the list, as far as it matters."""

from collections import Counter
from typing import Any

from django.db.models import CharField, QuerySet, Value

from billing.queries.fleet import FleetFilters, State, narrowed
from orgs.models.organizations import OrganizationQuerySet

MOST_COUNTED = 100  # of each tab; one beyond it is "more than"
_COUNTED = (State.TRIAL, State.UNPAID, State.PAUSED, State.DELETED)


def count_tabs(visible: OrganizationQuerySet) -> dict[State, int]:
    """One query; of each tab it stops one beyond `MOST_COUNTED`.

    Of all there is no count: the list would read a million for a number.
    """
    ends = [_end(visible, state) for state in _COUNTED]
    found = Counter(tab for (tab,) in ends[0].union(*ends[1:], all=True))
    return {state: found[state.value] for state in _COUNTED}


def _end(visible: OrganizationQuerySet, state: State) -> QuerySet[Any, tuple[Any, ...]]:
    rows = narrowed(visible, FleetFilters(state=state)).order_by()
    tab = Value(state.value, output_field=CharField())
    return rows.values_list(tab)[: MOST_COUNTED + 1]
