"""What the address of the organization list says; defaults are left out of it."""

from urllib.parse import urlencode

from django.http import QueryDict

from billing.queries import FleetFilters, State
from billing.queries.fleet import DEFAULT_SORT, SORTS
from orgs.errors import DomainError

_SEARCH_LENGTH = 200


def read_filters(query: QueryDict) -> FleetFilters:
    """Raises a 400 that names what is wrong."""
    search = query.get("q", "").strip()
    if "\x00" in search or len(search) > _SEARCH_LENGTH:
        raise DomainError("That cannot be searched for.", fields=("q",))
    sort = query.get("sort", DEFAULT_SORT)
    if sort.removeprefix("-") not in SORTS:
        raise DomainError("There is no such sort.", fields=("sort",))
    state = query.get("state", State.ALL)
    if state not in tuple(State):
        raise DomainError("There is no such tab.", fields=("state",))
    return FleetFilters(search, State(state), sort, query.get("cursor", ""))


def list_url(base: str, filters: FleetFilters, **changes: str) -> str:
    """The list's address with something changed; then it starts at its first page."""
    parameters = {
        "q": filters.search,
        "state": filters.state.value,
        "sort": filters.sort,
        **changes,
    }
    defaults = {"q": "", "state": State.ALL.value, "sort": DEFAULT_SORT, "cursor": ""}
    kept = {k: v for k, v in parameters.items() if v and v != defaults[k]}
    return f"{base}?{urlencode(kept)}" if kept else base
