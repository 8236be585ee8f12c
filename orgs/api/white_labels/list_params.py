"""How lists are asked: `sort` and `filters`, by lists of what may be named."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.db.models import F, Model, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.db.models.functions import Lower

from orgs.access import row_id
from orgs.api.white_labels.schemas import PageIn
from orgs.errors import DomainError

Row = TypeVar("Row", bound=Model)
Order = Mapping[str, F | Lower]
Fields = Mapping[str, tuple[str, Callable[[str], Any]]]
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def sorted_by(rows: QuerySet[Row], text: str, fields: Order) -> QuerySet[Row]:
    """By `id,-name`: names of the contract's, a minus for descending; then by id."""
    order = [_order(part.strip(), fields) for part in text.split(",") if part.strip()]
    return rows.order_by(*order, "id")


def _order(part: str, fields: Order) -> OrderBy:
    name = part.removeprefix("-")
    if name not in fields:
        raise DomainError(f"`sort` accepts {', '.join(fields)}.", fields=("sort",))
    return fields[name].desc() if part.startswith("-") else fields[name].asc()


def filtered_by(rows: QuerySet[Row], text: str, fields: Fields) -> QuerySet[Row]:
    """By `billable:true,name:acme`: all must hold."""
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, value = part.partition(":")
        if name not in fields:
            said = ", ".join(fields)
            raise DomainError(f"`filters` accepts {said}.", fields=("filters",))
        lookup, read = fields[name]
        rows = rows.filter(Q((lookup, read(value))))
    return rows


def boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise DomainError(
            "Boolean values in `filters` must be true or false.", fields=("filters",)
        ) from None


def number(text: str) -> int:
    """An id; whatever is none finds nothing."""
    return row_id(text)


def words(rows: QuerySet[Row], text: str, *fields: str) -> QuerySet[Row]:
    """Every word occurs in one of the fields. Reads them all."""
    for word in text.split()[:8]:
        found = Q()
        for field in fields:
            found |= Q((f"{field}__icontains", word))
        rows = rows.filter(found)
    return rows


def page_of(rows: QuerySet[Row], page: PageIn) -> QuerySet[Row]:
    return rows[page.offset : page.offset + page.limit]
