"""A page of the rows of a table, the newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from billing.exports.queries.model_tables import ModelTable
from billing.exports.queries.tables import Selection
from orgs.queries.paging import Order, SortKey, fetch_page

_NEWEST_FIRST = Order("id", descending=True)


@dataclass(frozen=True, slots=True)
class ListedPage:
    """Rows by the names of their columns, and the cursor of the next page, if any."""

    rows: list[dict[str, Any]]
    next_cursor: str | None


def list_rows(
    table: ModelTable, selection: Selection, *, size: int, cursor: str | None
) -> ListedPage:
    """Return a page of the rows that the table's file has for the same parameters.

    Two statements, and those of computed columns. Raises `DomainError` for a bad
    parameter, and for a cursor of another caller or list.
    """
    page = fetch_page(
        table.select(selection),
        _NEWEST_FIRST,
        size=size,
        cursor=cursor,
        scope=_scope(table, selection),
        fetch=_fetch_keys,
    )
    keys = [row.pk for row in page.rows]
    values = table.read_values(keys)
    rows = [
        {"id": key, **dict(zip(table.names, values[key], strict=True))}
        for key in keys
        if key in values
    ]
    return ListedPage(rows, page.next_cursor)


def _fetch_keys(
    rows: "QuerySet[Any]", order: Order, after: SortKey | None, count: int
) -> Sequence[Any]:
    return list(order.sort(rows, after).only("pk")[:count])


def _scope(table: ModelTable, selection: Selection) -> str:
    """Return what a cursor is signed for: the caller, the table, and whose rows."""
    organization = selection.organization
    whose = f"organization {organization.pk}" if organization else "all"
    return f"rows:{selection.owner.name}:{table.slug}:{whose}"
