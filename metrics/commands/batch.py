"""Whose an event is: rows of known organizations and projects, each key once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from msgspec import Struct

from metrics.events import IncomingEvent, Refused, Rejection
from orgs.commands import ensure_projects
from orgs.models import WhiteLabel
from orgs.queries import (
    find_project_ids,
    find_project_owners,
    list_references,
)

_NO_PROJECT = 0

Numbered = tuple[int, IncomingEvent]
Body = tuple[str, int, dict[str, int]]
Key = tuple[int, str, datetime]


@dataclass(slots=True)
class Recorded:
    """What became of a batch: counts, and the events that were refused, by index."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    organization_ids: list[int] = field(default_factory=list)

    def reject(self, index: int, refused: Refused) -> None:
        self.rejected.append(Rejection(index, refused.code, refused.message))

    def repeat(self, row: "Row", *, is_same: bool) -> None:
        """An event that was there before: a duplicate, or another one of its name."""
        if is_same:
            self.duplicates += 1
        else:
            self.reject(row.index, _CONFLICT)


_CONFLICT = Refused(
    "event_conflict", "The same id and timestamp were recorded with another body."
)
_UNKNOWN = Refused("organization_not_found", "No such organization.")
_DELETED = Refused("organization_deleted", "The organization is deleted.")
_FOREIGN = Refused("project_not_found", "No such project.")


class Row(Struct, frozen=True, gc=False):
    """An event whose organization and project are known."""

    index: int
    organization_id: int
    project_id: int
    event: IncomingEvent

    @property
    def key(self) -> Key:
        return self.organization_id, self.event.id, self.event.timestamp

    @property
    def body(self) -> Body:
        return self.event.product, self.project_id, self.event.quantities


def rows_of(
    white_label: WhiteLabel,
    events: Sequence[Numbered],
    organization_id: int | None,
    result: Recorded,
) -> list[Row]:
    """Sorted by key; an event without an owner is refused, one sent twice is counted.

    Projects named first are made, in a transaction of their own: rows that stay when
    the recording fails are found again by the retry, and no lock on them meets the
    locks of usage.
    """
    owned = _owned(white_label, events, organization_id, result)
    if any(event.project or event.project_id for _, event, _ in owned):
        return _unrepeated(_with_projects(owned, result), result)
    rows = [Row(index, owner, _NO_PROJECT, event) for index, event, owner in owned]
    return _unrepeated(rows, result)


Owned = tuple[int, IncomingEvent, int]


def _owned(
    white_label: WhiteLabel,
    events: Sequence[Numbered],
    organization_id: int | None,
    result: Recorded,
) -> list[Owned]:
    ids = {e.organization_id for _, e in events if e.organization_id is not None}
    names = {e.organization for _, e in events if e.organization is not None}
    if organization_id is not None:
        ids.add(organization_id)
    references = list_references(white_label.id, ids=ids, external_ids=names)
    by_id = {reference.id: reference for reference in references}
    by_name = {reference.external_id: reference for reference in references}
    owned = []
    for index, event in events:
        found = by_id.get(event.organization_id or organization_id or 0)
        if event.organization is not None:
            same = by_name.get(event.organization)
            found = same if event.organization_id in (None, same and same.id) else None
        if found is None or organization_id not in (None, found.id):
            result.reject(index, _UNKNOWN)
        elif found.is_deleted:
            result.reject(index, _DELETED)
        else:
            owned.append((index, event, found.id))
    return owned


def _with_projects(owned: Sequence[Owned], result: Recorded) -> list[Row]:
    projects = _projects(owned)
    owners = find_project_owners({e.project_id for _, e, _ in owned if e.project_id})
    rows = []
    for index, event, owner_id in owned:
        project_id = event.project_id or _NO_PROJECT
        if event.project is not None and not project_id:
            project_id = projects[owner_id, event.project]
        elif project_id and owners.get(project_id) != owner_id:
            result.reject(index, _FOREIGN)
            continue
        rows.append(Row(index, owner_id, project_id, event))
    return rows


def _projects(owned: Sequence[Owned]) -> dict[tuple[int, str], int]:
    first_seen: dict[tuple[int, str], datetime] = {}
    for _, event, owner_id in owned:
        if event.project is not None:
            key = owner_id, event.project
            seen = first_seen.get(key, event.timestamp)
            first_seen[key] = min(seen, event.timestamp)
    if not first_seen:
        return {}
    owners, names = zip(*first_seen, strict=True)
    known = find_project_ids(set(owners), set(names))
    missing = {key: seen for key, seen in first_seen.items() if key not in known}
    if not missing:
        return known
    ensure_projects(missing)
    return find_project_ids(set(owners), set(names))


def _unrepeated(rows: Iterable[Row], result: Recorded) -> list[Row]:
    """Each key once, in the order in which everybody locks them."""
    first: dict[Key, Row] = {}
    for row in rows:
        before = first.setdefault(row.key, row)
        if before is not row:
            result.repeat(row, is_same=before.body == row.body)
    return [first[key] for key in sorted(first)]
