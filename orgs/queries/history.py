"""The history of an organization: who changed what and when.

Triggers write a copy of each row on every change; a change is shown as the differences
between a copy and the one before it.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.apps import apps
from pghistory.models import Event

from orgs.queries.prepared import fetch_together

_MAX_CHANGES = 100
_IGNORED_FIELDS = {"updated_at"}
_IDENTIFYING_FIELDS = ("number", "stripe_id")
_VERBS = {"insert": "added", "update": "changed", "delete": "removed"}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """The text of a field before and after a change."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one row.

    `model` is the model's verbose name, `subject` the row's number or Stripe id if it
    has one. `user` is empty for commands and workers; `reason` is the note that was
    entered with the change.
    """

    at: datetime
    model: str
    subject: str
    verb: str
    user: str
    reason: str
    request_id: str
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    """The history table of a model, its compared columns and the SQL that reads it."""

    model: str
    columns: tuple[str, ...]
    statement: str


def list_changes(organization_id: int, *, models: Collection[str] = ()) -> list[Change]:
    """Return the last 100 changes of an organization and its rows, newest first.

    Reads the history of every model that has an organization, or only of `models`,
    given by their verbose names, in one round trip. Secrets have no history.
    """
    tables = [table for table in _tables() if not models or table.model in models]
    parameters = {"organization_id": organization_id}
    newest = fetch_together([(table.statement, parameters) for table in tables])
    changes = [
        change
        for table, rows in zip(tables, newest, strict=True)
        for change in _compare_rows(table, rows)
    ]
    return sorted(changes, key=lambda change: change.at, reverse=True)[:_MAX_CHANGES]


# The newest copies of one history table, with the user, the note and the request id
# that the request put into the context. One backward read of an index on the owner.
_NEWEST = """
select e.pgh_created_at, e.pgh_label, e.pgh_obj_id,
    coalesce(c.metadata ->> 'username', ''), coalesce(c.metadata ->> 'note', ''),
    coalesce(c.metadata ->> 'request_id', ''),
    {columns}
from {table} e left join pghistory_context c on c.id = e.pgh_context_id
where e.{owner} = %(organization_id)s
order by e.pgh_id desc limit {rows}
"""


@cache
def _tables() -> tuple[_Table, ...]:
    """Return the history tables of every model with an organization."""
    owners = ((model, _owner(model)) for model in _event_models())
    return tuple(_table(model, owner) for model, owner in owners if owner)


def _event_models() -> Iterator[Any]:
    """Yield the models of pghistory that hold copies of rows."""
    for model in apps.get_models():
        if issubclass(model, Event) and hasattr(model, "pgh_obj_id"):
            yield model


def _owner(model: Any) -> str:
    """Return the column with the organization's id; empty if a model has none."""
    if model.pgh_tracked_model._meta.label == "orgs.Organization":
        return "pgh_obj_id"
    names = {field.name for field in model._meta.get_fields()}
    return "organization_id" if "organization" in names else ""


def _table(model: Any, owner: str) -> _Table:
    columns = tuple(
        field.attname
        for field in model._meta.concrete_fields
        if not field.name.startswith("pgh_") and field.name not in _IGNORED_FIELDS
    )
    statement = _NEWEST.format(
        columns=", ".join(f"e.{column}" for column in columns),
        table=model._meta.db_table,
        owner=owner,
        rows=_MAX_CHANGES + 1,  # the oldest change is compared with one row more
    )
    return _Table(model.pgh_tracked_model._meta.verbose_name, columns, statement)


def _compare_rows(table: _Table, newest: Sequence[Sequence[Any]]) -> Iterator[Change]:
    """Yield the changes between copies of rows, newest first."""
    previous: dict[int, Sequence[Any]] = {}
    changes = []
    for at, label, row_id, user, reason, request_id, *values in reversed(newest):
        verb = _VERBS.get(label, label)
        fields: tuple[FieldChange, ...] = ()
        if verb == "changed" and row_id in previous:
            fields = _compare_fields(table.columns, previous[row_id], values)
        subject = _subject(table.columns, values)
        changes.append(
            Change(at, table.model, subject, verb, user, reason, request_id, fields)
        )
        previous[row_id] = values
    yield from reversed(changes[-_MAX_CHANGES:])


def _subject(columns: Sequence[str], values: Sequence[Any]) -> str:
    """Return the number or Stripe id of a row, or an empty text."""
    row = dict(zip(columns, values, strict=True))
    return next((str(row[name]) for name in _IDENTIFYING_FIELDS if row.get(name)), "")


def _compare_fields(
    columns: Sequence[str], before: Sequence[Any], after: Sequence[Any]
) -> tuple[FieldChange, ...]:
    return tuple(
        FieldChange(
            column.removesuffix("_id").replace("_", " "),
            _format_value(old),
            _format_value(new),
        )
        for column, old, new in zip(columns, before, after, strict=True)
        if old != new
    )


def _format_value(value: object) -> str:
    """Return a value as people read it: UTC minutes, grouped digits, a dash."""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "\N{EN DASH}" if value in (None, "") else str(value)
