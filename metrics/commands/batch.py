"""Whose an event is: rows of known organizations and projects, each key once."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime

from msgspec import Struct

from metrics.events import IncomingEvent, Refused, Rejection
from orgs.commands.organizations import ensure_projects
from orgs.models import WhiteLabel
from orgs.queries.references import (
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
    "event_conflict",
    "An event with the same `id` and `timestamp` has different contents.",
)
_DELETED = Refused("organization_deleted", "The organization is deleted.")


def _foreign(project_id: int) -> Refused:
    message = f"The organization has no project with the ID {project_id}."
    return Refused("project_not_found", message)


def _unknown(id_: int | None, name: str | None) -> Refused:
    if id_ is None and name is None:
        message = "`organization` or `organization_id` is required."
    elif name is not None and id_ is not None:
        message = f"No organization has the ID {id_} and the external ID {name!r}."
    else:
        named = f"ID {id_}" if name is None else f"external ID {name!r}"
        message = f"No organization of the white label has the {named}."
    return Refused("organization_not_found", message)


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
    if any(row.event.project or row.event.project_id for row in owned):
        owned = _with_projects(owned, result)
    return _unrepeated(owned, result)


Named = tuple[int | None, str | None]  # by id, by external id


def _owned(
    white_label: WhiteLabel,
    events: Sequence[Numbered],
    organization_id: int | None,
    result: Recorded,
) -> list[Row]:
    """Rows without a project yet; what names an owner is judged once a batch."""
    named = {(event.organization_id, event.organization) for _, event in events}
    owners = _owners(white_label, named, organization_id)
    rows = []
    for index, event in events:
        owner = owners[event.organization_id, event.organization]
        if isinstance(owner, int):
            rows.append(Row(index, owner, _NO_PROJECT, event))
        else:
            result.reject(index, owner)
    return rows


def _owners(
    white_label: WhiteLabel, named: Set[Named], organization_id: int | None
) -> dict[Named, int | Refused]:
    """Whom events may name, or only `organization_id`: its id, or why it is refused."""
    ids = {id_ for id_, _ in named if id_ is not None}
    if organization_id is not None:
        ids.add(organization_id)
    names = {name for _, name in named if name is not None}
    references = list_references(white_label.id, ids=ids, external_ids=names)
    by_id = {reference.id: reference for reference in references}
    by_name = {reference.external_id: reference for reference in references}

    def owner(id_: int | None, name: str | None) -> int | Refused:
        found = by_id.get(id_ or organization_id or 0)
        if name is not None:
            same = by_name.get(name)
            found = same if id_ in (None, same and same.id) else None
        if found is None or organization_id not in (None, found.id):
            return _unknown(id_, name)
        return _DELETED if found.is_deleted else found.id

    return {(id_, name): owner(id_, name) for id_, name in named}


def _with_projects(owned: Sequence[Row], result: Recorded) -> list[Row]:
    projects = _projects(owned)
    named = {row.event.project_id for row in owned if row.event.project_id}
    owners = find_project_owners(named)
    rows = []
    for row in owned:
        event, owner_id = row.event, row.organization_id
        project_id = event.project_id or _NO_PROJECT
        if event.project is not None and not project_id:
            project_id = projects[owner_id, event.project]
        elif project_id and owners.get(project_id) != owner_id:
            result.reject(row.index, _foreign(project_id))
            continue
        rows.append(Row(row.index, owner_id, project_id, event))
    return rows


def _projects(owned: Sequence[Row]) -> dict[tuple[int, str], int]:
    first_seen: dict[tuple[int, str], datetime] = {}
    for row in owned:
        event = row.event
        if event.project is not None:
            key = row.organization_id, event.project
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


def _unrepeated(rows: Sequence[Row], result: Recorded) -> list[Row]:
    """Each key once, in the order in which everybody locks them."""
    first = {row.key: row for row in reversed(rows)}
    if len(first) < len(rows):
        for row in rows:
            before = first[row.key]
            if before is not row:
                result.repeat(row, is_same=before.body == row.body)
    return [first[key] for key in sorted(first)]
