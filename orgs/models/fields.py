"""Constraints that several tables share, and their history."""

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar, cast

import pghistory
import pgtrigger
from django.core.exceptions import ValidationError
from django.db.models import CheckConstraint, F, Model, Q

# Outside of this an instant is a mistake, and one such row makes every list that reads
# it fail: Python cannot hold what PostgreSQL can.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)

_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
M = TypeVar("M", bound=Model)


def with_history(
    *, exclude: list[str] | None = None, no_news: list[str] | None = None
) -> Callable[[type[M]], type[M]]:
    """Keep every version of the table's rows, by triggers: SQL and bulk writes too.

    Trackers are made anew each time; pghistory binds them to their model. A change of
    nothing but what is `no_news` makes no version.
    """
    changed = pgtrigger.AnyChange(exclude=no_news)
    trackers = (
        pghistory.InsertEvent(),
        pghistory.UpdateEvent(condition=changed),
        pghistory.DeleteEvent(),
    )
    track = pghistory.track(*trackers, exclude=exclude)
    return cast("Callable[[type[M]], type[M]]", track)


def validate_text(text: str) -> None:
    """Refuse what hides or reorders a name: controls, and overrides of direction.

    Everything else is kept as sent: accents in either form, emoji, any script.
    """
    if any(unicodedata.category(char) == "Cc" or char in _BIDI for char in text):
        raise ValidationError(
            "Control characters and text direction overrides are not allowed.",
            code="invalid_character",
        )


def in_range(table: str, *names: str) -> list[CheckConstraint]:
    """Instants lie between 2000 and 2200; null passes."""
    return [
        CheckConstraint(
            condition=Q((f"{name}__gte", EARLIEST), (f"{name}__lt", LATEST)),
            name=f"{table}_{name}_in_range",
        )
        for name in names
    ]


def not_negative(table: str, *names: str) -> list[CheckConstraint]:
    return [
        CheckConstraint(condition=Q((f"{name}__gte", 0)), name=f"{table}_{name}_ge_0")
        for name in names
    ]


def not_empty(table: str, *names: str) -> list[CheckConstraint]:
    return [
        CheckConstraint(condition=~Q((name, "")), name=f"{table}_{name}_given")
        for name in names
    ]


def in_order(table: str, first: str, then: str) -> CheckConstraint:
    """`then` is null or not before `first`."""
    return CheckConstraint(
        condition=Q((f"{then}__isnull", True)) | Q((f"{then}__gte", F(first))),
        name=f"{table}_{then}_after_{first}",
    )
