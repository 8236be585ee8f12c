"""What a table that can be downloaded declares, and whose rows a download has."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from zoneinfo import ZoneInfo

from django.http import QueryDict

from orgs.catalog import Scope
from orgs.days import ONE_DAY, first_instant
from orgs.errors import DomainError, NotFound
from orgs.models import Organization, WhiteLabel
from orgs.schemas.csv import Cell

Row = Sequence[Cell]


class Amounts(StrEnum):
    """What the amounts of a file are."""

    NONE = "none"  # the file has no amounts
    INVOICED = "invoiced"  # final: on invoices, or of closed periods
    ESTIMATE = "estimate"  # of open periods: they may still change
    MIXED = "mixed"  # of closed and open periods
    RECORDED = "recorded"  # entered by staff, or measured at an instant


class Level(StrEnum):
    """Whose rows a table can have."""

    ORGANIZATION = "organization"
    FLEET = "fleet"


@dataclass(frozen=True, slots=True)
class Owner:
    """The person or API key that asks for files, and that alone sees its exports."""

    name: str
    user_id: int | None = None
    key_id: int | None = None


@dataclass(frozen=True)
class Selection:
    """Whose rows a download has, and the parameters of its page.

    `white_labels` are those that the caller may see, or the one that they chose.
    `scopes` and Django's `permissions` are the caller's, for tables of which some rows
    need others than the table.
    """

    query: QueryDict
    white_labels: tuple[WhiteLabel, ...]
    sees_all: bool  # also rows that belong to no white label
    now: datetime
    owner: Owner
    organization: Organization | None = None
    scopes: frozenset[Scope] = field(default=frozenset(), kw_only=True)
    permissions: frozenset[str] = field(default=frozenset(), kw_only=True)

    @property
    def level(self) -> Level:
        return Level.FLEET if self.organization is None else Level.ORGANIZATION

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone of the rows; UTC if their white labels have several."""
        names = {label.time_zone for label in self._labels}
        return ZoneInfo(names.pop() if len(names) == 1 else "UTC")

    @cached_property
    def currencies(self) -> list[str]:
        """The currencies of the white labels, in alphabetical order."""
        return sorted({label.currency for label in self._labels})

    @property
    def _labels(self) -> tuple[WhiteLabel, ...]:
        if self.organization is None:
            return self.white_labels
        return (self.organization.white_label,)

    @property
    def white_label_ids(self) -> list[int]:
        return [label.pk for label in self.white_labels]

    def get_organization(self) -> Organization:
        """Return the organization; only tables of one organization call this."""
        if self.organization is None:
            raise NotFound("Choose an organization.")
        return self.organization


@dataclass(frozen=True, slots=True)
class Span:
    """The range of a file, half-open; None for an end without a bound."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class RowsPage:
    """Some rows of a paged table, in order.

    `read` is how many were read for them, and `cursor` where the next page starts.
    """

    rows: Sequence[Row]
    read: int
    cursor: str


Keys = Callable[[Selection, int | None], Iterable[int]]
Rows = Callable[[Selection, Sequence[int]], Iterable[Row]]
Pages = Callable[[Selection, str], Iterable[RowsPage]]
Count = Callable[[Selection, int | None], int]


def no_rows(selection: Selection, keys: Sequence[int]) -> Iterable[Row]:
    """Return no rows: those of a paged table come in pages."""
    return ()


@dataclass(frozen=True)
class Table:
    """A table that can be downloaded as CSV, in one of three ways.

    A table with `keys` lists the ids of its rows in their order, at most as many as
    asked for, and reads the rows of some of them at a time. One with `pages` reads them
    in an order that does not change, from a cursor on, and counts them, or a few more
    than there are, up to a limit. A table without either is computed as a whole, and
    `rows` gets no keys; it may count its rows, too, to be an export before it is read.
    """

    slug: str
    title: str
    columns: tuple[str, ...]
    rows: Rows = no_rows
    scope: Scope = Scope.BILLING_READ
    keys: Keys | None = None
    pages: Pages | None = None
    count: Count | None = None
    levels: frozenset[Level] = frozenset({Level.ORGANIZATION})
    amounts: Amounts | Callable[[Selection], Amounts] = Amounts.NONE
    parameters: frozenset[str] = frozenset()
    check: Callable[[Selection], object] | None = None  # raises for a bad parameter
    span: Callable[[Selection], Span] | None = None
    permission: str = ""  # of Django, besides the scope
    choose: Callable[[Selection], tuple[str, ...]] | None = None  # of the columns
    # The columns that `rows` has for these parameters, if they decide it.
    columns_of: Callable[[Selection], tuple[str, ...]] | None = None
    # The range that the amounts are compared with.
    compared_span: Callable[[Selection], Span] | None = None

    @property
    def is_resumable(self) -> bool:
        """True if writing can go on where it ended; a computed table starts again."""
        return self.keys is not None or self.pages is not None

    def chosen(self, selection: Selection) -> "Table":
        """Return the table with the columns that the parameters choose."""
        if self.columns_of:
            return replace(self, columns=self.columns_of(selection), columns_of=None)
        if self.choose is None:
            return self
        columns, read = self.choose(selection), self.rows
        places = [self.columns.index(name) for name in columns]

        def rows(selected: Selection, keys: Sequence[int]) -> Iterator[Row]:
            for row in read(selected, keys):
                yield [row[place] for place in places]

        return replace(self, columns=columns, rows=rows, choose=None)

    def amounts_of(self, selection: Selection) -> Amounts:
        """Return what the amounts of a download are."""
        kind = self.amounts
        return kind if isinstance(kind, Amounts) else kind(selection)

    def span_of(self, selection: Selection) -> Span:
        """Return the range of a download; without bounds for a table without one."""
        return self.span(selection) if self.span else Span()


def read_span(selection: Selection) -> Span:
    """Return the range that the parameters `from` and `to` select.

    Both are days in the zone of the rows; `to` is the day after the last.
    """
    start, end = _read_day(selection, "from"), _read_day(selection, "to")
    if start and end and end < start:
        raise DomainError("`to` must not be before `from`.", fields=("to",))
    return Span(start, end)


def _read_day(selection: Selection, name: str) -> datetime | None:
    text = selection.query.get(name, "")
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007  a day
        _ = day + ONE_DAY  # fails for the last day that a date can hold
        return first_instant(day, selection.zone)
    except (ValueError, OverflowError):
        message = f"`{name}` must be a date such as 2026-11-21."
        raise DomainError(message, fields=(name,)) from None


def as_cell(value: object, zone: ZoneInfo) -> Cell:
    """Return a value of a column as CSV writes it: instants in the zone of the rows."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(zone)
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value))
    if isinstance(value, Mapping):
        return "; ".join(f"{name}={part}" for name, part in sorted(value.items()))
    return value  # type: ignore[return-value]


def as_row(values: Iterable[object], zone: ZoneInfo) -> Row:
    """Return the cells of a row."""
    return [as_cell(value, zone) for value in values]


def chunks(keys: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Yield the keys in order, `size` at a time."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
