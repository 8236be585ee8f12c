"""Pages of a list: newest first, ties by creation, a cursor instead of a number."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from config.dev.fakestripe import errors, params, shapes
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.store import Json

PAGING: params.Spec = {
    "limit": params.integer,
    "starting_after": params.text,
    "ending_before": params.text,
}
CREATED: params.Spec = {"created": params.span}
_OPERATORS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "eq": "="}
_MOST = 100


@dataclass
class Filter:
    """Conditions on columns, joined by `and`; column names are never input."""

    conditions: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, condition: str, *values: Any) -> None:
        self.conditions.append(condition)
        self.values += values

    def equal(self, given: Mapping[str, Any], *columns: str) -> None:
        for column in columns:
            if given.get(column) is not None:
                self.add(f"{column} = ?", given[column])

    def span(self, given: Mapping[str, Any], name: str = "created") -> None:
        for operator, instant in (given.get(name) or {}).items():
            self.add(f"created {_OPERATORS[operator]} ?", instant)


def page(account: Account, kind: str, url: str, given: Json, filters: Filter) -> Json:
    """Return a page of objects as a Stripe list, without deleted ones."""
    limit = _limit(given)
    after, before = given.get("starting_after"), given.get("ending_before")
    if after and before:
        raise errors.invalid(
            "ending_before", "You may only specify one of these: starting_after"
        )
    filters.add("kind = ?", kind)
    filters.add("(status is null or status <> 'deleted')")
    if cursor := after or before:
        name = "starting_after" if after else "ending_before"
        _add_cursor(account, kind, filters, cursor, name)
    order = "asc" if before else "desc"
    rows = account.store.select(
        " and ".join(filters.conditions),
        filters.values,
        f"order by created {order}, seq {order} limit {limit + 1}",
    )
    data = rows[:limit]
    return shapes.listed(
        data[::-1] if before else data, url, has_more=len(rows) > limit
    )


def part(data: list[Json], url: str, given: Json) -> Json:
    """Return a page of a list that is part of an object, in the order of that list."""
    limit = _limit(given)
    ids = [one["id"] for one in data]
    start = 0
    if after := given.get("starting_after"):
        if after not in ids:
            raise errors.no_such("object", after, param="starting_after")
        start = ids.index(after) + 1
    return shapes.listed(
        data[start : start + limit], url, has_more=len(data) > start + limit
    )


def _limit(given: Json) -> int:
    limit = given.get("limit", 10)
    if limit is None or not 1 <= limit <= _MOST:
        side = "greater than or equal to 1" if (limit or 0) < 1 else "less than 101"
        raise errors.invalid(
            "limit",
            f"Invalid integer: {limit}; must be {side}",
            "parameter_invalid_integer",
        )
    return int(limit)


def _add_cursor(
    account: Account, kind: str, filters: Filter, cursor: str, name: str
) -> None:
    row = account.store.db.execute(
        "select created, seq from objects where kind = ? and id = ?", (kind, cursor)
    ).fetchone()
    if row is None:
        raise errors.no_such(kind, cursor, param=name)
    sign = "<" if name == "starting_after" else ">"
    filters.add(f"(created, seq) {sign} (?, ?)", *row)
