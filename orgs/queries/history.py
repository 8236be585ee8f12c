"""Who changed what: the rows triggers keep, compared with the row before."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.apps import apps
from pghistory.models import Event

_SHOWN = 100
_NOISE = {"updated_at"}
_VERBS = {"insert": "added", "update": "changed", "delete": "removed"}


@dataclass(frozen=True, slots=True)
class FieldChange:
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Change:
    """One row written; `who` is empty for commands and workers."""

    at: datetime
    what: str
    verb: str
    who: str
    request_id: str
    fields: tuple[FieldChange, ...]


def list_changes(organization_id: int) -> list[Change]:
    """The last changes of the organization and of what hangs on it, newest first.

    Reads the history tables of every model with an organization; secrets are not in
    them.
    """
    changes = [
        change
        for model in _event_models()
        for change in _changes_of(model, organization_id)
    ]
    return sorted(changes, key=lambda change: change.at, reverse=True)[:_SHOWN]


def _event_models() -> Iterator[Any]:
    for model in apps.get_models():
        if issubclass(model, Event) and hasattr(model, "pgh_obj_id"):
            yield model


def _changes_of(model: Any, organization_id: int) -> Iterator[Change]:
    tracked = model.pgh_tracked_model
    names = {field.name for field in model._meta.get_fields()}
    if tracked._meta.label == "orgs.Organization":
        rows = model.objects.filter(pgh_obj_id=organization_id)
    elif "organization" in names:
        rows = model.objects.filter(organization_id=organization_id)
    else:
        return
    newest = list(rows.select_related("pgh_context").order_by("-pgh_id")[: _SHOWN + 1])
    before: dict[Any, Any] = {}
    found = []
    for row in reversed(newest):
        previous = before.get(row.pgh_obj_id)
        found.append(_change(tracked, row, previous))
        before[row.pgh_obj_id] = row
    yield from reversed(found[-_SHOWN:])


def _change(tracked: Any, row: Any, previous: Any) -> Change:
    metadata = row.pgh_context.metadata if row.pgh_context else {}
    verb = _VERBS.get(row.pgh_label, row.pgh_label)
    fields = _differences(row, previous) if previous is not None else ()
    return Change(
        at=row.pgh_created_at,
        what=tracked._meta.verbose_name,
        verb=verb,
        who=str(metadata.get("username", "")),
        request_id=str(metadata.get("request_id", "")),
        fields=fields if verb == "changed" else (),
    )


def _differences(row: Any, previous: Any) -> tuple[FieldChange, ...]:
    names = [
        field.attname
        for field in row._meta.concrete_fields
        if not field.name.startswith("pgh_") and field.name not in _NOISE
    ]
    return tuple(
        FieldChange(
            name.removesuffix("_id").replace("_", " "),
            _said(getattr(previous, name)),
            _said(getattr(row, name)),
        )
        for name in names
        if getattr(previous, name) != getattr(row, name)
    )


def _said(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "\N{EN DASH}" if value in (None, "") else str(value)
