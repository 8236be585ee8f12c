"""The figures and lines that are pushed, and the functions that supply them.

Money and limits belong to apps that this one does not know: they register a source.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from orgs.models import Organization

Labels = tuple[tuple[str, str], ...]
Cursor = Mapping[str, Any]  # can be stored as JSON


@dataclass(frozen=True, slots=True)
class Figure:
    """The value of a series at an instant; `labels` are without those of all series."""

    name: str
    value: Decimal | int
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log: when it happened, its stream, and its fields."""

    at: datetime
    stream: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines after a cursor, in the order of their instants, and the cursor after them.

    `has_more` says that there are further ones already.
    """

    lines: Sequence[Line]
    cursor: Cursor
    has_more: bool = False


@dataclass(frozen=True, slots=True)
class DayFigures:
    """The figures as they were at the end of a day, which `at` is."""

    at: datetime
    figures: Sequence[Figure]


@dataclass(slots=True)
class Sources:
    """The functions that supply what is pushed; each app registers its own at start.

    `figures` gives those of now, the most important first. `days` gives those of past
    days, oldest first. `lines` gives lines after a cursor; an empty one begins now.
    """

    figures: list[Callable[[Organization, datetime], Sequence[Figure]]] = field(
        default_factory=list
    )
    days: list[Callable[[Organization, date, date], Sequence[DayFigures]]] = field(
        default_factory=list
    )
    lines: list[Callable[[Organization, Cursor, datetime], Lines]] = field(
        default_factory=list
    )


SOURCES = Sources()
