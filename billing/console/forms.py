"""URL parameters of the list, the overview, and cost differences, and a form."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import TypedDict
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict
from django.urls import reverse

from billing.console.queries.organization_list import (
    COLUMN_SCOPES,
    COLUMNS,
    DEFAULT_COLUMNS,
    DEFAULT_SORT,
    REASON_SCOPE,
    SORT_SCOPES,
    SORT_WITHOUT_MONEY,
    SORTS,
    Activity,
    FleetFilters,
    State,
)
from billing.console.queries.scope import FleetScope
from billing.ledger.queries.cost_spans import SpanChoice
from billing.models import Subscription
from billing.needs_action.forms import need_filters
from orgs.catalog import Scope
from orgs.days import ONE_DAY
from orgs.errors import DomainError, Forbidden, InvalidDateRange, NotFound
from orgs.models import WhiteLabel

_SEARCH_LENGTH = 200
_TIER_LENGTH = 32


class RerateForm(forms.Form):
    """A form that re-rates open periods; it asks for the reason."""

    note = forms.CharField(
        max_length=2_000,
        label="Reason",
        widget=forms.Textarea({"rows": 2}),
        help_text="Kept permanently in the history.",
    )


def read_filters(
    query: QueryDict, labels: Sequence[WhiteLabel], scopes: Collection[Scope]
) -> FleetFilters:
    """Return the filters of the list; raises `DomainError` for a bad parameter.

    `labels` are the white labels that the user sees; another is not found. `scopes` are
    the user's: by default only columns that they allow are shown. Raises `Forbidden`
    for a column, sort, or reason that needs another scope.
    """
    search = query.get("q", "").strip()
    if "\x00" in search or len(search) > _SEARCH_LENGTH:
        message = f"Search for at most {_SEARCH_LENGTH} characters, without null bytes."
        raise DomainError(message, fields=("q",))
    sort = _read_sort(query.get("sort", ""), scopes)
    state = _check(query.get("state", State.ALL), State, "state", "state")
    slug, selected = query.get("white_label", ""), labels
    if slug:
        selected = [label for label in labels if label.slug == slug]
        if not selected:
            raise NotFound("White label not found.")
    activity = _check(
        query.get("activity", ""), ("", *Activity), "activity", "activity"
    )
    return FleetFilters(
        search,
        State(state),
        sort,
        query.get("cursor", ""),
        reason=_read_reason(query.get("reason", ""), scopes),
        white_label=slug,
        tier=_read_tier(query.get("tier", "")),
        status=_check(
            query.get("status", ""), ("", *Subscription.Status), "status", "status"
        ),
        activity=Activity(activity) if activity else None,
        columns=_read_columns(",".join(query.getlist("columns")), scopes),
        white_label_ids=tuple(label.pk for label in selected),
        has_groups=len(selected) > 1,
    )


def _check(text: str, choices: Iterable[str], field: str, what: str) -> str:
    """Return the text if it is a choice; raises `DomainError` that lists them."""
    if text not in tuple(choices):
        known = ", ".join(filter(None, choices))
        raise DomainError(f"Unknown {what}. Use one of: {known}.", fields=(field,))
    return text


def _require(needed: Scope | None, scopes: Collection[Scope]) -> None:
    if needed is not None and needed not in scopes:
        raise Forbidden(f"The scope {needed} is required.")


def _read_sort(text: str, scopes: Collection[Scope]) -> str:
    if not text:
        has_money = SORT_SCOPES[DEFAULT_SORT] in scopes
        return DEFAULT_SORT if has_money else SORT_WITHOUT_MONEY
    slug = _check(text.removeprefix("-"), SORTS, "sort", "sort order")
    _require(SORT_SCOPES.get(slug), scopes)
    return text


def _read_reason(text: str, scopes: Collection[Scope]) -> str:
    _require(REASON_SCOPE if text else None, scopes)
    need_filters(text, "", "")  # raises for an unknown one
    return text


def _read_tier(text: str) -> str:
    if "\x00" in text or len(text) > _TIER_LENGTH:
        message = f"A tier has at most {_TIER_LENGTH} characters."
        raise DomainError(message, fields=("tier",))
    return text


def _read_columns(text: str, scopes: Collection[Scope]) -> tuple[str, ...]:
    """Return the columns to show, in the order of the table; all by default."""
    if not text:
        return allowed_columns(DEFAULT_COLUMNS, scopes)
    selected = [_check(slug, COLUMNS, "columns", "column") for slug in text.split(",")]
    for slug in selected:
        _require(COLUMN_SCOPES.get(slug), scopes)
    return tuple(slug for slug in COLUMNS if slug in selected)


def allowed_columns(
    columns: Iterable[str], scopes: Collection[Scope]
) -> tuple[str, ...]:
    """Return the columns of the list whose scope is among those of a person or key."""
    return tuple(slug for slug in columns if COLUMN_SCOPES.get(slug) in {None, *scopes})


_DEFAULTS = {
    "q": "",
    "state": State.ALL.value,
    "sort": DEFAULT_SORT,
    "cursor": "",
    "columns": ",".join(DEFAULT_COLUMNS),
}


def list_parameters(filters: FleetFilters, **changes: str) -> dict[str, str]:
    """Return the parameters of the list's first page that differ from its defaults."""
    parameters = {
        "q": filters.search,
        "state": filters.state.value,
        "sort": filters.sort,
        "reason": filters.reason,
        "white_label": filters.white_label,
        "tier": filters.tier,
        "status": filters.status,
        "activity": filters.activity.value if filters.activity else "",
        "columns": ",".join(filters.columns),
        **changes,
    }
    return {k: v for k, v in parameters.items() if v and v != _DEFAULTS.get(k)}


def list_url(base: str, filters: FleetFilters, **changes: str) -> str:
    """Return the URL of the list's first page with some parameters changed or added."""
    query = list_parameters(filters, **changes)
    return f"{base}?{urlencode(query)}" if query else base


class SavedViewForm(forms.Form):
    """A form that saves the current view of the list under a name."""

    name = forms.CharField(max_length=60)
    query = forms.CharField(max_length=1_000, required=False, widget=forms.HiddenInput)
    is_shared = forms.BooleanField(required=False, label="Share with my team")


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


# The parameters of the difference of costs; the chart of the same page has its own.
DIFFERENCE_PARAMETERS = (
    *("diff_from", "diff_through", "compare_from", "compare_through"),
    *("period", "compare_period", "diff_by"),
)


def read_difference_choice(chosen: Mapping[str, str]) -> SpanChoice:
    """Return the ranges that the parameters of the costs page choose.

    Raises `InvalidDateRange` with the name of the field.
    """
    start, end = _days(chosen, "diff_from", "diff_through")
    compare_start, compare_end = _days(chosen, "compare_from", "compare_through")
    return SpanChoice(
        start=start,
        end=end,
        compare_start=compare_start,
        compare_end=compare_end,
        period=_number(chosen, "period"),
        compare_period=_number(chosen, "compare_period"),
    )


def _days(
    chosen: Mapping[str, str], first: str, last: str
) -> tuple[date | None, date | None]:
    """Return the first day of a range and the day after its last one."""
    start, end = _day(chosen, first), _after(chosen, last)
    if start and end and start >= end:
        raise InvalidDateRange(
            f"“{first}” must not be after “{last}”.", fields=(first, last)
        )
    return start, end


def _day(chosen: Mapping[str, str], name: str) -> date | None:
    if name not in chosen:
        return None
    try:
        return date.fromisoformat(chosen[name])
    except ValueError:
        raise InvalidDateRange(
            f"“{name}” must be a date such as 2026-11-21.", fields=(name,)
        ) from None


def _after(chosen: Mapping[str, str], name: str) -> date | None:
    """Return the day after the last one of a range."""
    last = _day(chosen, name)
    if last is None:
        return None
    if last == date.max:
        raise InvalidDateRange(f"“{name}” is too late.", fields=(name,))
    return last + ONE_DAY


_MAX_DIGITS = 9


def _number(chosen: Mapping[str, str], name: str) -> int | None:
    text = chosen.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS:
        raise InvalidDateRange(f"“{name}” must be a number.", fields=(name,))
    return int(text)
