"""What the addresses of the list and of the fleet say; defaults are left out of it."""

from collections import Counter
from collections.abc import Sequence
from typing import TypedDict
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from billing.queries import FleetFilters, FleetScope, State
from billing.queries.fleet import DEFAULT_SORT, SORTS
from orgs.errors import DomainError, NotFound
from orgs.models import WhiteLabel

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


def read_fleet_scope(query: QueryDict, labels: Sequence[WhiteLabel]) -> FleetScope:
    """One of the white labels the person may see, or those of a currency.

    By default the currency most of them have, at a tie that of the first by name; a
    white label out of reach is as one that does not exist.
    """
    slug, currency = query.get("white_label", ""), query.get("currency", "")
    if slug:
        chosen = [label for label in labels if label.slug == slug]
    else:
        wanted = currency or _most_used(labels)
        chosen = [label for label in labels if label.currency == wanted]
    if not chosen:
        raise NotFound("There is no such white label.")
    return _scope(tuple(chosen), labels)


def _most_used(labels: Sequence[WhiteLabel]) -> str:
    return Counter(label.currency for label in labels).most_common(1)[0][0]


def _scope(chosen: tuple[WhiteLabel, ...], labels: Sequence[WhiteLabel]) -> FleetScope:
    """With the shortest address that means it, so that one view has one address."""
    same = [label for label in labels if label.currency == chosen[0].currency]
    if len(chosen) < len(same):
        return FleetScope(chosen, (("white_label", chosen[0].slug),))
    if chosen[0].currency == _most_used(labels):
        return FleetScope(chosen)
    return FleetScope(chosen, (("currency", chosen[0].currency),))


class FleetChoice(TypedDict):
    label: str
    note: str
    url: str
    current: bool


def fleet_choices(scope: FleetScope, labels: Sequence[WhiteLabel]) -> list[FleetChoice]:
    """Every currency that several white labels share, then every white label."""
    shared = [
        currency
        for currency, times in Counter(label.currency for label in labels).items()
        if times > 1
    ]
    groups = [
        _scope(tuple(label for label in labels if label.currency == currency), labels)
        for currency in shared
    ]
    ones = [_scope((label,), labels) for label in labels]
    return [_choice(one, current=one.ids == scope.ids) for one in (*groups, *ones)]


def _choice(scope: FleetScope, *, current: bool) -> FleetChoice:
    one, base = scope.white_labels[0], reverse("billing:fleet")
    note = f"{one.currency.upper()} · {one.time_zone}"
    return {
        "label": scope.name,
        "note": note if scope.is_one else f"{len(scope.white_labels)} white labels",
        "url": f"{base}?{urlencode(scope.kept)}" if scope.kept else base,
        "current": current,
    }
