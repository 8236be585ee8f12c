"""Matching the events of a batch to their organizations and projects."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from msgspec import Struct

from metrics.events import IncomingEvent, Rejection
from metrics.signals import late_usage_reported
from orgs.commands.organizations import ensure_projects
from orgs.errors import InputRejected
from orgs.models import WhiteLabel
from orgs.queries.references import (
    Reference,
    find_project_ids,
    find_project_owners,
    list_references,
)

_NO_PROJECT = 0

IndexedEvent = tuple[int, IncomingEvent]  # position in the batch
EventBody = tuple[str, int, dict[str, int]]  # product, project ID, quantities
EventKey = tuple[int, str, datetime]  # organization ID, event ID, timestamp


@dataclass(slots=True)
class RecordingResult:
    """The outcome of a batch: counts, and the rejected events by index."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    organization_ids: list[int] = field(default_factory=list)

    def reject(self, index: int, error: InputRejected) -> None:
        """Add the event at `index` to the rejected events."""
        self.rejected.append(Rejection(index, error.code, error.message))

    def add_repeated(self, event: "ResolvedEvent", *, is_same: bool) -> None:
        """Count an event whose key exists as a duplicate, or reject it as a conflict.

        A conflict has another body than the event that was recorded first.
        """
        if is_same:
            self.duplicates += 1
        else:
            self.reject(event.index, _CONFLICT)


_CONFLICT = InputRejected(
    "event_conflict",
    "An event with the same `id` and `timestamp` has different contents.",
)


def _deleted(deleted_at: datetime) -> InputRejected:
    message = (
        f"The organization was deleted at {deleted_at.isoformat()}, and the event is"
        " later."
    )
    return InputRejected("organization_deleted", message)


_SETTLED = InputRejected(
    "organization_deleted",
    "The organization was deleted, and its last invoice is final.",
)


def _project_not_found(project_id: int) -> InputRejected:
    message = f"The organization has no project with the ID {project_id}."
    return InputRejected("project_not_found", message)


def _organization_not_found(id_: int | None, name: str | None) -> InputRejected:
    if id_ is None and name is None:
        message = "`organization` or `organization_id` is required."
    elif name is not None and id_ is not None:
        message = f"No organization has the ID {id_} and the external ID {name!r}."
    else:
        identifier = f"ID {id_}" if name is None else f"external ID {name!r}"
        message = f"No organization of the white label has the {identifier}."
    return InputRejected("organization_not_found", message)


class ResolvedEvent(Struct, frozen=True, gc=False):
    """An event with the IDs of its organization and project."""

    index: int
    organization_id: int
    project_id: int
    event: IncomingEvent

    @property
    def key(self) -> EventKey:
        """The event's primary key."""
        return self.organization_id, self.event.id, self.event.timestamp

    @property
    def body(self) -> EventBody:
        """What two events of the same key must have in common to be duplicates."""
        return self.event.product, self.project_id, self.event.quantities


def resolve_events(
    white_label: WhiteLabel,
    events: Sequence[IndexedEvent],
    organization_id: int | None,
    result: RecordingResult,
) -> list[ResolvedEvent]:
    """Return the events with their organizations and projects, sorted by key.

    Events without a known organization or project are rejected in `result`; of several
    with the same key the first stays, the others are added as repeated.

    Projects that are new are created first, in a separate transaction. They stay when
    the recording fails, and its retry finds them; and their locks are released before
    the recording takes its locks.
    """
    resolved = _with_organizations(white_label, events, organization_id, result)
    if any(row.event.project or row.event.project_id for row in resolved):
        resolved = _with_projects(resolved, result)
    return _without_repeated(resolved, result)


OrganizationReference = tuple[int | None, str | None]  # ID, external ID


def _with_organizations(
    white_label: WhiteLabel,
    events: Sequence[IndexedEvent],
    organization_id: int | None,
    result: RecordingResult,
) -> list[ResolvedEvent]:
    """Return events without projects; each reference is resolved once per batch.

    What a deleted organization used before its deletion is recorded: gateways report
    usage minutes later.
    """
    references = {(event.organization_id, event.organization) for _, event in events}
    owners = _find_owners(white_label, references, organization_id)
    settled = _find_settled(owners.values())
    resolved = []
    for index, event in events:
        owner = owners[event.organization_id, event.organization]
        if isinstance(owner, InputRejected):
            result.reject(index, owner)
        elif owner.deleted_at is not None and owner.deleted_at < event.timestamp:
            result.reject(index, _deleted(owner.deleted_at))
        elif owner.id in settled:
            result.reject(index, _SETTLED)
        else:
            resolved.append(ResolvedEvent(index, owner.id, _NO_PROJECT, event))
    return resolved


def _find_settled(owners: Iterable[Reference | InputRejected]) -> set[int]:
    """Return the IDs of deleted organizations whose last invoice is final.

    Billing knows; a recording without a deleted organization does not ask.
    """
    deleted = {
        owner.id
        for owner in owners
        if isinstance(owner, Reference) and owner.deleted_at is not None
    }
    if not deleted:
        return set()
    answers: list[tuple[Any, Any]] = late_usage_reported.send(
        WhiteLabel, organization_ids=sorted(deleted)
    )
    return {id_ for _, settled in answers for id_ in settled}


def _find_owners(
    white_label: WhiteLabel,
    references: Set[OrganizationReference],
    organization_id: int | None,
) -> dict[OrganizationReference, Reference | InputRejected]:
    """Return each reference's organization, or the error that rejects its events.

    With `organization_id` every other organization is an error, and a reference without
    ID and name means that one.
    """
    ids = {id_ for id_, _ in references if id_ is not None}
    if organization_id is not None:
        ids.add(organization_id)
    names = {name for _, name in references if name is not None}
    organizations = list_references(white_label.id, ids=ids, external_ids=names)
    by_id = {organization.id: organization for organization in organizations}
    by_name = {organization.external_id: organization for organization in organizations}

    def owner(id_: int | None, name: str | None) -> Reference | InputRejected:
        organization = by_id.get(id_ or organization_id or 0)
        if name is not None:
            named = by_name.get(name)
            organization = named if id_ in (None, named and named.id) else None
        if organization is None or organization_id not in (None, organization.id):
            return _organization_not_found(id_, name)
        return organization

    return {(id_, name): owner(id_, name) for id_, name in references}


def _with_projects(
    events: Sequence[ResolvedEvent], result: RecordingResult
) -> list[ResolvedEvent]:
    """Return the events with their projects; reject those of another organization."""
    project_ids = _ensure_projects(events)
    referenced = {row.event.project_id for row in events if row.event.project_id}
    owners = find_project_owners(referenced)
    resolved = []
    for row in events:
        event, owner_id = row.event, row.organization_id
        project_id = event.project_id or _NO_PROJECT
        if event.project is not None and not project_id:
            project_id = project_ids[owner_id, event.project]
        elif project_id and owners.get(project_id) != owner_id:
            result.reject(row.index, _project_not_found(project_id))
            continue
        resolved.append(ResolvedEvent(row.index, owner_id, project_id, event))
    return resolved


def _ensure_projects(events: Sequence[ResolvedEvent]) -> dict[tuple[int, str], int]:
    """Create the projects that events name for the first time.

    Returns project IDs by organization ID and name. A new project was added at the
    timestamp of its earliest event.
    """
    first_used: dict[tuple[int, str], datetime] = {}
    for row in events:
        event = row.event
        if event.project is not None:
            key = row.organization_id, event.project
            used = first_used.get(key, event.timestamp)
            first_used[key] = min(used, event.timestamp)
    if not first_used:
        return {}
    owners, names = zip(*first_used, strict=True)
    known = find_project_ids(set(owners), set(names))
    missing = {key: used for key, used in first_used.items() if key not in known}
    if not missing:
        return known
    ensure_projects(missing)
    return find_project_ids(set(owners), set(names))


def _without_repeated(
    events: Sequence[ResolvedEvent], result: RecordingResult
) -> list[ResolvedEvent]:
    """Return one event per key, sorted: the order in which all recordings lock rows."""
    first = {event.key: event for event in reversed(events)}
    if len(first) < len(events):
        for event in events:
            earlier = first[event.key]
            if earlier is not event:
                result.add_repeated(event, is_same=earlier.body == event.body)
    return [first[key] for key in sorted(first)]
