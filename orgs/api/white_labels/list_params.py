"""The parameters `sort`, `filters`, `search` and `limit` of the lists of contract A."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.db.models import F, Model, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.db.models.functions import Lower

from orgs.access import row_id
from orgs.api.white_labels.schemas import PageIn
from orgs.errors import DomainError
from orgs.text import read_boolean

Row = TypeVar("Row", bound=Model)
# What a list may be sorted by, and filtered by (a look-up and its parser), by name.
SortFields = Mapping[str, F | Lower]
FilterFields = Mapping[str, tuple[str, Callable[[str], Any]]]


def sorted_by(rows: QuerySet[Row], text: str, fields: SortFields) -> QuerySet[Row]:
    """Sort rows by a text such as `id,-name`, then by id; a minus sorts descending.

    Raises `DomainError` for an unknown field.
    """
    order = [_order(part.strip(), fields) for part in text.split(",") if part.strip()]
    return rows.order_by(*order, "id")


def _order(part: str, fields: SortFields) -> OrderBy:
    name = part.removeprefix("-")
    if name not in fields:
        raise DomainError(f"`sort` accepts {', '.join(fields)}.", fields=("sort",))
    return fields[name].desc() if part.startswith("-") else fields[name].asc()


def filtered_by(rows: QuerySet[Row], text: str, fields: FilterFields) -> QuerySet[Row]:
    """Filter rows by a text such as `billable:true,name:acme`; all must match.

    Raises `DomainError` for an unknown field or a value that cannot be read.
    """
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, value = part.partition(":")
        if name not in fields:
            raise DomainError(
                f"`filters` accepts {', '.join(fields)}.", fields=("filters",)
            )
        lookup, parse = fields[name]
        rows = rows.filter(Q((lookup, parse(value))))
    return rows


def parse_boolean(text: str) -> bool:
    """Return the value of a boolean filter, or raise `DomainError`."""
    return read_boolean(text, field="filters")


def parse_id(text: str) -> int:
    """Return the value of an id filter; anything that is no id matches no row."""
    return row_id(text)


def search_rows(rows: QuerySet[Row], text: str, *fields: str) -> QuerySet[Row]:
    """Return the rows in which every word occurs in a field, without case and accents.

    Uses no index: PostgreSQL reads all rows. At most eight words are searched for.
    """
    for word in text.split()[:8]:
        matches = Q()
        for field in fields:
            matches |= Q((f"{field}__text_contains", word))
        rows = rows.filter(matches)
    return rows


def slice_page(rows: QuerySet[Row], page: PageIn) -> QuerySet[Row]:
    """Return the rows of a page, by its limit and offset."""
    return rows[page.offset : page.offset + page.limit]
