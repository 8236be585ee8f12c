"""Who changed what: the rows triggers keep, compared with the row before."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.apps import apps
from pghistory.models import Event

from orgs.queries.prepared import fetch_together

_SHOWN = 100
_NOISE = {"updated_at"}
_CALLED_BY = ("number", "stripe_id")
_VERBS = {"insert": "added", "update": "changed", "delete": "removed"}


@dataclass(frozen=True, slots=True)
class FieldChange:
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Change:
    """One row written; `who` is empty for commands and workers.

    `why` is what somebody noted who asked for it; `subject` what people call the row,
    where it has a number or an id of Stripe's.
    """

    at: datetime
    what: str
    subject: str
    verb: str
    who: str
    why: str
    request_id: str
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    """The history of a model: what its rows are called, and how they are read."""

    what: str
    names: tuple[str, ...]  # of the columns that people may want to compare
    statement: str


def list_changes(organization_id: int, *, of: Collection[str] = ()) -> list[Change]:
    """The last changes of the organization and of what hangs on it, newest first.

    Reads the history tables of every model with an organization, or `of` those that
    are named; secrets are not in them.
    """
    tables = [table for table in _tables() if not of or table.what in of]
    own = {"organization_id": organization_id}
    newest = fetch_together([(table.statement, own) for table in tables])
    changes = [
        change
        for table, rows in zip(tables, newest, strict=True)
        for change in _changes_of(table, rows)
    ]
    return sorted(changes, key=lambda change: change.at, reverse=True)[:_SHOWN]


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
    """Of every model with an organization; the models are the same for ever."""
    owners = ((model, _owner(model)) for model in _event_models())
    return tuple(_table(model, owner) for model, owner in owners if owner)


def _event_models() -> Iterator[Any]:
    for model in apps.get_models():
        if issubclass(model, Event) and hasattr(model, "pgh_obj_id"):
            yield model


def _owner(model: Any) -> str:
    """The column that says whose a row is; none where it is no organization's."""
    if model.pgh_tracked_model._meta.label == "orgs.Organization":
        return "pgh_obj_id"
    names = {field.name for field in model._meta.get_fields()}
    return "organization_id" if "organization" in names else ""


def _table(model: Any, owner: str) -> _Table:
    names = tuple(
        field.attname
        for field in model._meta.concrete_fields
        if not field.name.startswith("pgh_") and field.name not in _NOISE
    )
    statement = _NEWEST.format(
        columns=", ".join(f"e.{name}" for name in names),
        table=model._meta.db_table,
        owner=owner,
        rows=_SHOWN + 1,  # one more, for the oldest shown to be compared with
    )
    return _Table(model.pgh_tracked_model._meta.verbose_name, names, statement)


def _changes_of(table: _Table, newest: Sequence[Sequence[Any]]) -> Iterator[Change]:
    before: dict[int, Sequence[Any]] = {}
    found = []
    for at, label, row_id, who, why, request_id, *values in reversed(newest):
        verb = _VERBS.get(label, label)
        fields: tuple[FieldChange, ...] = ()
        if verb == "changed" and row_id in before:
            fields = _differences(table.names, before[row_id], values)
        subject = _subject(table.names, values)
        found.append(
            Change(at, table.what, subject, verb, who, why, request_id, fields)
        )
        before[row_id] = values
    yield from reversed(found[-_SHOWN:])


def _subject(names: Sequence[str], values: Sequence[Any]) -> str:
    known = dict(zip(names, values, strict=True))
    return next((str(known[name]) for name in _CALLED_BY if known.get(name)), "")


def _differences(
    names: Sequence[str], before: Sequence[Any], after: Sequence[Any]
) -> tuple[FieldChange, ...]:
    return tuple(
        FieldChange(name.removesuffix("_id").replace("_", " "), _said(was), _said(now))
        for name, was, now in zip(names, before, after, strict=True)
        if was != now
    )


def _said(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "\N{EN DASH}" if value in (None, "") else str(value)
