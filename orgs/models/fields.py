"""Constraints that several tables share, and their history."""

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import uuid4

import pghistory
import pgtrigger
from django.core.exceptions import ValidationError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    CharField,
    CheckConstraint,
    DecimalField,
    F,
    Index,
    Model,
    Q,
)

from orgs.text import to_nfc

# Outside of this an instant is a mistake, and one such row makes every list that reads
# it fail: Python cannot hold what PostgreSQL can.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)

if TYPE_CHECKING:
    _CharField = CharField[Any, str]
else:
    _CharField = CharField  # not generic when it runs

_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DIGITS, _PLACES = 92, 48  # only for forms; the columns have no limit
M = TypeVar("M", bound=Model)


def with_history(
    *, exclude: list[str] | None = None, untracked: list[str] | None = None
) -> Callable[[type[M]], type[M]]:
    """Add history triggers to a model; they record SQL and bulk writes as well.

    `exclude` are the fields that are not recorded. A change of `untracked` fields alone
    is not recorded either. pghistory binds trackers to a model, so each call has its
    own.
    """
    changed = pgtrigger.AnyChange(exclude=untracked)
    trackers = (
        pghistory.InsertEvent(),
        pghistory.UpdateEvent(condition=changed),
        pghistory.DeleteEvent(),
    )

    def track(model: type[M]) -> type[M]:
        # The history of all organizations is read by time.
        newest = Index(
            fields=["-pgh_created_at", "-pgh_id"],
            name=f"{model.__name__.lower()}_event_newest",
        )
        decorate = pghistory.track(
            *trackers, exclude=exclude, meta={"indexes": [newest]}
        )
        return cast("type[M]", decorate(model))

    return track


class NormalizedCharField(_CharField):
    """Text that is stored, and searched for, in Unicode's normal form C."""

    def to_python(self, value: Any) -> Any:
        return _normalized(super().to_python(value))

    def get_prep_value(self, value: Any) -> Any:
        return _normalized(super().get_prep_value(value))

    def pre_save(self, model_instance: Model, add: bool) -> Any:
        """Return the value to store, which the instance has from then on, too."""
        value = _normalized(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value


def _normalized(value: Any) -> Any:
    return to_nfc(value) if isinstance(value, str) else value


def validate_text(text: str) -> None:
    """Refuse control and text direction characters, which hide or reorder text.

    Everything else is accepted: emoji, any script.
    """
    if any(unicodedata.category(char) == "Cc" or char in _BIDI for char in text):
        raise ValidationError(
            "Control characters and text direction overrides are not allowed.",
            code="invalid_character",
        )


def new_key() -> str:
    """Return an idempotency key for a row that was requested without one."""
    return uuid4().hex


class ExactDecimalField(DecimalField):  # type: ignore[type-arg]  # not at run time
    """A number that PostgreSQL keeps as it is, with all decimal places it has.

    A column with a fixed number of places would pad each value to it, and rounds what
    has more.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **{"max_digits": _DIGITS, "decimal_places": _PLACES, **options}
        )

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        """Return PostgreSQL's type of any precision."""
        return "numeric"

    def deconstruct(self) -> Any:
        """Leave the default digits out of migrations."""
        name, path, args, options = super().deconstruct()
        options.pop("max_digits")
        options.pop("decimal_places")
        return name, path, args, options


def in_range(table: str, *names: str) -> list[CheckConstraint]:
    """Return constraints: instants are between 2000 and 2200, or null."""
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
