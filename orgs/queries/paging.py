"""Keyset pagination: a cursor holds the sort key of the last row of a page.

The cost of a page does not depend on how far into the list it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from django.core import signing
from django.db.models import F, Model, QuerySet
from django.db.models.fields.tuple_lookups import TupleGreaterThan, TupleLessThan

from orgs.errors import DomainError

Row = TypeVar("Row", bound=Model)
_NEXT, _PREVIOUS = "n", "p"  # the direction of a cursor

# The values that a row is ordered by, the id of the row last.
SortKey = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows of a page, and the cursors of its neighbors; None: there is none."""

    rows: Sequence[Row]
    next_cursor: str | None
    previous_cursor: str | None


@dataclass(frozen=True, slots=True)
class Order:
    """An order by one field and then by id, so that rows never repeat or vanish.

    `tie` is the id in the table of the field. With an index on both, reading starts at
    the first row of the page, however many rows with an equal value precede it. Rows
    are grouped by the field `group`, if there is one, such as the currency of amounts.
    """

    field: str
    descending: bool = False
    tie: str = "id"
    group: str = ""

    def reversed(self) -> "Order":
        """Return the opposite order."""
        return replace(self, descending=not self.descending)

    @property
    def keys(self) -> tuple[str, ...]:
        """The fields that a row is ordered by before its id."""
        return (self.group, self.field) if self.group else (self.field,)

    @property
    def order_by(self) -> tuple[str, ...]:
        """The arguments of `QuerySet.order_by`."""
        sign = "-" if self.descending else ""
        return tuple(f"{sign}{name}" for name in (*self.keys, self.tie))

    def sort(self, rows: QuerySet[Row], after: SortKey | None) -> QuerySet[Row]:
        """Return the rows in this order that come after a sort key; None: all of them.

        Fields and id are compared together, which an index on all can answer.
        """
        if after:
            comparison = TupleLessThan if self.descending else TupleGreaterThan
            fields = (F(name) for name in (*self.keys, self.tie))
            rows = rows.filter(comparison(tuple(fields), after))
        return rows.order_by(*self.order_by)


# Reads the first rows of a queryset in an order, after a sort key: at most `int` rows.
FetchRows = Callable[[QuerySet[Row], Order, SortKey | None, int], Sequence[Row]]


def fetch_rows(
    rows: QuerySet[Row], order: Order, after: SortKey | None, count: int
) -> Sequence[Row]:
    """Return the first `count` rows in this order after a sort key."""
    return list(order.sort(rows, after)[:count])


def fetch_page(
    rows: QuerySet[Row],
    order: Order,
    *,
    size: int,
    cursor: str | None,
    scope: str,
    fetch: FetchRows[Row] = fetch_rows,
) -> Page[Row]:
    """Return the page that a cursor points to, or the first one.

    Reads one row more than it returns, which shows whether another page follows.
    Cursors are signed for `scope` (the caller and the list): one that was forged, or
    issued for another scope, raises `invalid_cursor`.
    """
    salt = f"page:{scope}:{order.group}:{order.field}:{order.descending}"
    direction, key = _read_cursor(cursor, salt)
    is_backward = direction == _PREVIOUS
    fetched = fetch(rows, order.reversed() if is_backward else order, key, size + 1)
    has_more, shown = len(fetched) > size, list(fetched[:size])
    if is_backward:
        shown.reverse()
    is_first = key is None or (is_backward and not has_more)
    is_last = not has_more and not is_backward
    return Page(
        rows=shown,
        next_cursor=None if is_last else _cursor(_NEXT, shown, -1, order, salt),
        previous_cursor=(
            None if is_first else _cursor(_PREVIOUS, shown, 0, order, salt)
        ),
    )


def _read_cursor(cursor: str | None, salt: str) -> tuple[str, SortKey | None]:
    """Return the direction of a cursor and the sort key it starts after."""
    if not cursor:
        return _NEXT, None
    direction, *key = _read_signed(cursor, salt)
    return direction, tuple(key)


def sign_key(key: Sequence[object], scope: str) -> str:
    """Return the cursor of a list that is not read by `fetch_page`.

    `key` are the values of the last row that the order has, as JSON has them.
    """
    return signing.dumps(list(key), salt=f"key:{scope}")


def read_key(cursor: str, scope: str) -> SortKey:
    """Return the key of a cursor of `sign_key`; raises `invalid_cursor`."""
    return tuple(_read_signed(cursor, f"key:{scope}"))


def _read_signed(cursor: str, salt: str) -> list[Any]:
    try:
        values: list[Any] = signing.loads(cursor, salt=salt)
    except (signing.BadSignature, ValueError):
        raise DomainError(
            "`cursor` is not a cursor of this list.",
            code="invalid_cursor",
            fields=("cursor",),
        ) from None
    return values


def _cursor(
    direction: str, rows: Sequence[Row], index: int, order: Order, salt: str
) -> str | None:
    """Return the signed cursor that continues from the row at `index`."""
    if not rows:
        return None
    row = rows[index]
    values = [str(_value_of(row, name)) for name in order.keys]
    return signing.dumps([direction, *values, row.pk], salt=salt)


def _value_of(row: Model, field: str) -> object:
    value: object = row
    for name in field.split("__"):
        value = getattr(value, name)
    return value
