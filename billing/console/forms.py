"""URL parameters of the organization list and the overview, and a form."""

from collections import Counter
from collections.abc import Sequence
from typing import TypedDict
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict
from django.urls import reverse

from billing.console.queries.organization_list import (
    DEFAULT_SORT,
    SORTS,
    FleetFilters,
    State,
)
from billing.console.queries.scope import FleetScope
from orgs.errors import DomainError, NotFound
from orgs.models import WhiteLabel

_SEARCH_LENGTH = 200


class RerateForm(forms.Form):
    """A form that re-rates open periods; it asks for the reason."""

    note = forms.CharField(
        max_length=2_000,
        label="Reason",
        widget=forms.Textarea({"rows": 2}),
        help_text="Kept permanently in the history.",
    )


def read_filters(query: QueryDict) -> FleetFilters:
    """Return the filters of the list; raises `DomainError` for a bad parameter."""
    search = query.get("q", "").strip()
    if "\x00" in search or len(search) > _SEARCH_LENGTH:
        message = f"Search for at most {_SEARCH_LENGTH} characters, without null bytes."
        raise DomainError(message, fields=("q",))
    sort = query.get("sort", DEFAULT_SORT)
    if sort.removeprefix("-") not in SORTS:
        message = f"Unknown sort order. Use one of: {', '.join(SORTS)}."
        raise DomainError(message, fields=("sort",))
    state = query.get("state", State.ALL)
    if state not in tuple(State):
        message = f"Unknown state. Use one of: {', '.join(State)}."
        raise DomainError(message, fields=("state",))
    return FleetFilters(search, State(state), sort, query.get("cursor", ""))


def list_url(base: str, filters: FleetFilters, **changes: str) -> str:
    """Return the URL of the list's first page with some parameters changed or added."""
    parameters = {
        "q": filters.search,
        "state": filters.state.value,
        "sort": filters.sort,
        **changes,
    }
    defaults = {"q": "", "state": State.ALL.value, "sort": DEFAULT_SORT, "cursor": ""}
    query = {k: v for k, v in parameters.items() if v and v != defaults.get(k)}
    return f"{base}?{urlencode(query)}" if query else base


def read_fleet_scope(query: QueryDict, labels: Sequence[WhiteLabel]) -> FleetScope:
    """Return the chosen white label, or all white labels of one currency.

    The default is the currency of most white labels, at a tie that of the first by
    name. Raises `NotFound` for a white label that the user has no access to.
    """
    slug, currency = query.get("white_label", ""), query.get("currency", "")
    if slug:
        selected = [label for label in labels if label.slug == slug]
    else:
        currency = currency or _most_common_currency(labels)
        selected = [label for label in labels if label.currency == currency]
    if not selected:
        raise NotFound("White label not found.")
    return _build_scope(tuple(selected), labels)


def _most_common_currency(labels: Sequence[WhiteLabel]) -> str:
    return Counter(label.currency for label in labels).most_common(1)[0][0]


def _build_scope(
    selected: tuple[WhiteLabel, ...], labels: Sequence[WhiteLabel]
) -> FleetScope:
    """Return the scope with its shortest URL parameters, so that a view has one URL."""
    currency = selected[0].currency
    same_currency = [label for label in labels if label.currency == currency]
    if len(selected) < len(same_currency):
        return FleetScope(selected, (("white_label", selected[0].slug),))
    if currency == _most_common_currency(labels):
        return FleetScope(selected)
    return FleetScope(selected, (("currency", currency),))


class FleetChoice(TypedDict):
    """A link of the overview's menu of white labels and currencies."""

    label: str
    note: str
    url: str
    current: bool


def fleet_choices(scope: FleetScope, labels: Sequence[WhiteLabel]) -> list[FleetChoice]:
    """Return the currencies that several white labels share, then each white label."""
    shared = [
        currency
        for currency, times in Counter(label.currency for label in labels).items()
        if times > 1
    ]
    groups = [
        tuple(label for label in labels if label.currency == currency)
        for currency in shared
    ]
    singles = [(label,) for label in labels]
    scopes = [_build_scope(selected, labels) for selected in (*groups, *singles)]
    return [_choice(option, current=option.ids == scope.ids) for option in scopes]


def _choice(scope: FleetScope, *, current: bool) -> FleetChoice:
    label, base = scope.white_labels[0], reverse("billing:fleet")
    note = f"{label.currency.upper()} · {label.time_zone}"
    query = urlencode(scope.url_parameters)
    return {
        "label": scope.name,
        "note": note if scope.is_single else f"{len(scope.white_labels)} white labels",
        "url": f"{base}?{query}" if query else base,
        "current": current,
    }
