"""Tables whose rows are rows of a model, of any number."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, OrderBy, Q, QuerySet

from billing.exports.queries.tables import (
    Amounts,
    Level,
    Row,
    Selection,
    Span,
    Table,
    as_row,
    read_span,
)
from orgs.catalog import Scope

Filter = Callable[["QuerySet[Any]", str, Selection], "QuerySet[Any]"]
_BOTH = frozenset(Level)
_RANGE = ("from", "to")
_KEYS_AT_ONCE = 10_000


@dataclass(frozen=True)
class ModelTable:
    """The declaration of a table of rows; `build` makes the table of it.

    `columns` are expressions by their names in the file. `owner` is the path from a
    row to its organization, empty for rows of a white label alone; `white_label` the
    path to the white label. Of an organization the rows come in `order`, of the fleet
    the newest first: an index serves no other order for all organizations.
    """

    slug: str
    title: str
    rows: "Callable[[], QuerySet[Any]]"
    columns: Mapping[str, Any]
    owner: str = "organization"
    white_label: str = ""
    order: tuple[str | OrderBy, ...] = ("-pk",)
    dated_by: str = ""  # the instant that the range selects by
    scope: Scope = Scope.BILLING_READ
    levels: frozenset[Level] = _BOTH
    amounts: Amounts = Amounts.NONE
    filters: Mapping[str, Filter] = field(default_factory=dict)
    permission: str = ""
    has_unassigned: bool = False  # rows that belong to no white label

    def build(self) -> Table:
        """Return the table that the declaration describes."""
        ranged = _RANGE if self.dated_by else ()
        return Table(
            slug=self.slug,
            title=self.title,
            columns=self.names,
            rows=self.read,
            scope=self.scope,
            keys=self._keys,
            levels=self.levels,
            amounts=self.amounts,
            parameters=frozenset({*self.filters, *ranged}),
            check=self.select,
            span=read_span if self.dated_by else None,
            permission=self.permission,
        )

    @property
    def owner_columns(self) -> dict[str, str]:
        """The columns that every table begins with: whose row it is."""
        label = self.white_label or f"{self.owner}__white_label"
        columns = {"white_label": f"{label}__slug"}
        if self.owner:
            columns |= {
                "organization_id": f"{self.owner}__id",
                "organization_external_id": f"{self.owner}__external_id",
                "organization": f"{self.owner}__name",
            }
        return columns

    def _keys(self, selection: Selection, limit: int | None) -> Iterable[int]:
        is_fleet = selection.organization is None
        rows = self.select(selection).order_by(*(("-pk",) if is_fleet else self.order))
        keys = rows.values_list("pk", flat=True)[:limit]
        # Without a limit they may be millions, which a cursor of the server holds.
        return keys if limit else keys.iterator(chunk_size=_KEYS_AT_ONCE)

    def read(self, selection: Selection, keys: Sequence[int]) -> list[Row]:
        """Return the rows of these keys, in their order; deleted ones are left out."""
        zone = selection.zone
        by_key = self.read_values(keys)
        return [as_row(by_key[key], zone) for key in keys if key in by_key]

    def read_values(self, keys: Sequence[int]) -> dict[int, list[Any]]:
        """Return the values of each of these rows that still exists, by its key."""
        names = [*self.owner_columns.values(), *self.columns.values()]
        aliases = {f"csv_{number}": _expression(n) for number, n in enumerate(names)}
        rows = self.rows().filter(pk__in=keys).annotate(**aliases)
        return {key: values for key, *values in rows.values_list("pk", *aliases)}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns, in the order of the values."""
        return (*self.owner_columns, *self.columns)

    def select(self, selection: Selection) -> "QuerySet[Any]":
        """Return the rows that a download may have; raise for a bad parameter."""
        rows = self.rows().filter(self._owned_by(selection))
        for name, narrow in self.filters.items():
            if value := selection.query.get(name, ""):
                rows = narrow(rows, value, selection)
        return self._in_range(rows, selection) if self.dated_by else rows

    def _owned_by(self, selection: Selection) -> Q:
        if selection.organization is not None:
            return Q(**{self.owner: selection.organization})
        label = self.white_label or f"{self.owner}__white_label"
        owned = Q(**{f"{label}__in": selection.white_label_ids})
        if self.has_unassigned and selection.sees_all:
            owned |= Q(**{f"{label}__isnull": True})
        return owned

    def _in_range(self, rows: "QuerySet[Any]", selection: Selection) -> "QuerySet[Any]":
        span: Span = read_span(selection)
        if span.start:
            rows = rows.filter(**{f"{self.dated_by}__gte": span.start})
        if span.end:
            rows = rows.filter(**{f"{self.dated_by}__lt": span.end})
        return rows


def _expression(column: Any) -> Any:
    return F(column) if isinstance(column, str) else column
