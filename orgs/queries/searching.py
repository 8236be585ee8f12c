"""Text search of organizations, in the order of a list."""

from typing import Any, TypeVar

from django.db import connection
from django.db.models import Q, QuerySet

from orgs.models import Organization
from orgs.queries.paging import FetchRows, Order, SortKey, fetch_rows

Rows = TypeVar("Rows", bound=QuerySet[Any])
_MAX_TERMS = 8  # of a search; further words are ignored
_SCAN_ROWS = 2_000  # rows of the list that are scanned before the index is used


def search_organizations(organizations: Rows, text: str) -> Rows:
    """Return the organizations that contain every word of the text.

    A word is searched in name, external ID and billing email, without case and accents;
    a number also matches the id. One trigram index is used; words of one or two
    characters read more of it.
    """
    for term in _terms(text):
        matches = Q(search_text__key_contains=term)
        if (id_ := _as_id(term)) is not None:
            matches |= Q(pk=id_)
        organizations = organizations.filter(matches)
    return organizations


def _terms(text: str) -> list[str]:
    return text.split()[:_MAX_TERMS]


def _as_id(term: str) -> int | None:
    is_number = term.isascii() and term.isdigit() and len(term) < len(str(2**63))
    return int(term) if is_number else None


def search_fetcher(
    text: str, *, is_small_list: bool = False
) -> FetchRows[Organization]:
    """Return the function by which `fetch_page` reads the rows that match a text.

    `is_small_list` says that the list itself has few rows, as that of a tab.
    """
    if not _terms(text):
        return fetch_rows

    def fetch(
        organizations: QuerySet[Organization],
        order: Order,
        after: SortKey | None,
        count: int,
    ) -> list[Organization]:
        ids = _first_ids(
            organizations, order, after, text, count, is_small_list=is_small_list
        )
        # Rows are fetched by id alone: half of a list may share one sort key, and the
        # planner, which expects few rows after a key, would then read all of them.
        return sorted(organizations.filter(pk__in=ids), key=lambda o: ids.index(o.pk))

    return fetch


def _first_ids(
    organizations: QuerySet[Organization],
    order: Order,
    after: SortKey | None,
    text: str,
    count: int,
    *,
    is_small_list: bool,
) -> list[int]:
    """Return the ids of the first matches after a sort key; two statements at most.

    The planner would walk the list until it has enough matches. That is right if the
    matches are spread over the list, but reads all of it if they lie close together,
    as names with the same beginning do. So only the first rows of the list are
    scanned; if they have too few matches, the trigram index finds all matches, which
    are then sorted. A small list is not scanned at all.
    """
    if not is_small_list:
        first_rows = order.sort(organizations, after)[:_SCAN_ROWS]
        ids = _matching_ids(first_rows, order, _matches(text), count)
        if len(ids) == count:
            return ids
    matches = search_organizations(organizations, text).order_by()
    return _matching_ids(matches, order, _comes_after(order, after), count)


# An SQL condition on the columns of `_matching_ids`, and its parameters.
Condition = tuple[str, list[Any]]


def _matches(text: str) -> Condition:
    """Return the condition of `search_organizations` as SQL."""
    conditions, parameters = ["true"], list[Any]()
    for term in _terms(text):
        conditions.append("(s.search_text like orgs_search_pattern(%s) or s.id = %s)")
        parameters += [term, _as_id(term)]
    return " and ".join(conditions), parameters


def _comes_after(order: Order, after: SortKey | None) -> Condition:
    if not after:
        return "true", []
    comparison = "<" if order.descending else ">"
    columns = f"({', '.join(_key_columns(order))}, s.id)"
    return f"{columns} {comparison} ({', '.join(['%s'] * len(after))})", [*after]


def _key_columns(order: Order) -> list[str]:
    return [f"s.key_{number}" for number in range(len(order.keys))]


def _matching_ids(
    rows: QuerySet[Any], order: Order, condition: Condition, count: int
) -> list[int]:
    """Return the ids of the first rows that meet a condition.

    `offset 0` keeps PostgreSQL from merging the subquery into the outer query: it is
    planned for all of its rows, not for the few that the limit leaves.
    """
    where, where_parameters = condition
    direction = "desc" if order.descending else ""
    columns = rows.values_list("pk", "search_text", *order.keys)
    keys = _key_columns(order)
    names = ", ".join(key.removeprefix("s.") for key in keys)
    sorting = ", ".join(f"{key} {direction}" for key in (*keys, "s.id"))
    inner, parameters = columns.query.sql_with_params()
    statement = f"""
select s.id from ({inner} offset 0) s (id, search_text, {names}) where {where}
order by {sorting} limit %s"""  # noqa: S608  no user input
    with connection.cursor() as cursor:
        cursor.execute(statement, [*parameters, *where_parameters, count])
        return [id_ for (id_,) in cursor.fetchall()]
