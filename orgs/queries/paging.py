"""Pages of a long list without counting it: a cursor is the last row's sort key."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from django.core import signing
from django.db.models import F, Model, QuerySet
from django.db.models.fields.tuple_lookups import TupleGreaterThan, TupleLessThan

from orgs.errors import DomainError

Row = TypeVar("Row", bound=Model)
_NEXT, _PREVIOUS = "n", "p"


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows, and how to get those after and before, if there are any."""

    rows: Sequence[Row]
    next_cursor: str | None
    previous_cursor: str | None


@dataclass(frozen=True, slots=True)
class Order:
    """By one field and then the id, so that equal values do not repeat or vanish.

    `tie` is the id in the table of the field: an index of both is read from a page's
    first row on, however many equal values come before it.
    """

    field: str
    descending: bool = False
    tie: str = "id"

    def reversed(self) -> "Order":
        return replace(self, descending=not self.descending)

    @property
    def order_by(self) -> tuple[str, str]:
        sign = "-" if self.descending else ""
        return f"{sign}{self.field}", f"{sign}{self.tie}"

    def of(self, rows: QuerySet[Row], after: "Key | None") -> QuerySet[Row]:
        """Rows after this one: compared as a pair, so an index is read from there."""
        if after:
            compared = TupleLessThan if self.descending else TupleGreaterThan
            rows = rows.filter(compared((F(self.field), F(self.tie)), after))
        return rows.order_by(*self.order_by)


Key = tuple[object, int]  # of a row: what it is ordered by, and its id
Take = Callable[[QuerySet[Row], Order, Key | None, int], Sequence[Row]]


def take_in_order(
    rows: QuerySet[Row], order: Order, after: Key | None, count: int
) -> Sequence[Row]:
    return list(order.of(rows, after)[:count])


def page_of(
    rows: QuerySet[Row],
    order: Order,
    *,
    size: int,
    cursor: str | None,
    scope: str,
    take: Take[Row] = take_in_order,
) -> Page[Row]:
    """The page a cursor points at, or the first one; reads one row more than it shows.

    `take` reads so many of the rows in an order, the first ones after a key.
    Cursors are signed for `scope` (who asks, for what): a forged or foreign one raises
    `invalid_cursor`.
    """
    salt = f"page:{scope}:{order.field}:{order.descending}"
    going, key = _read(cursor, salt)
    walk = order.reversed() if going == _PREVIOUS else order
    some = take(rows, walk, key, size + 1)
    has_more, found = len(some) > size, list(some[:size])
    if going == _PREVIOUS:
        found.reverse()
    is_first = key is None or (going == _PREVIOUS and not has_more)
    is_last = not has_more and going == _NEXT
    return Page(
        rows=found,
        next_cursor=_write(_NEXT, found, -1, order, salt) if not is_last else None,
        previous_cursor=(
            _write(_PREVIOUS, found, 0, order, salt) if not is_first else None
        ),
    )


def _read(cursor: str | None, salt: str) -> tuple[str, Key | None]:
    if not cursor:
        return _NEXT, None
    try:
        going, value, id_ = signing.loads(cursor, salt=salt)
    except (signing.BadSignature, ValueError):
        raise DomainError(
            "`cursor` is not a cursor of this list.",
            code="invalid_cursor",
            fields=("cursor",),
        ) from None
    return going, (value, id_)


def _write(
    going: str, rows: Sequence[Row], at: int, order: Order, salt: str
) -> str | None:
    if not rows:
        return None
    value: object = rows[at]
    for name in order.field.split("__"):
        value = getattr(value, name)
    return signing.dumps([going, str(value), rows[at].pk], salt=salt)
