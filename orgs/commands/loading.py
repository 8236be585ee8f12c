"""Loading organizations with their people: created if new, updated if known.

A line says what it knows: fields that are absent stay as they are, and people that are
not listed stay members. So a nightly export can be loaded again and again.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model
from django.utils import timezone
from msgspec import UNSET, Struct, structs

from orgs.commands.organizations import (
    IncomingEntitlements,
    IncomingMember,
    IncomingOrganization,
    IncomingProject,
    signal_changed,
    signal_created,
    signal_entitlements,
    signal_people,
    touch_organizations,
)
from orgs.errors import Conflict
from orgs.models import Entitlements, Member, Organization, Project, WhiteLabel

Person = TypeVar("Person", Member, Project)


class Outcome(StrEnum):
    """What became of a line."""

    ACCEPTED = "accepted"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"  # the organization is: nothing of the line was loaded


@dataclass(slots=True)
class _Changes:
    """IDs of organizations that are new, and whose limits or people changed.

    Of updated organizations also the names of the changed fields.
    """

    created: set[int] = field(default_factory=set)
    updated: dict[int, set[str]] = field(default_factory=dict)
    entitled: set[int] = field(default_factory=set)
    people: set[int] = field(default_factory=set)


@transaction.atomic
def add_organizations(
    white_label: WhiteLabel,
    incoming: Sequence[IncomingOrganization],
    *,
    created_by: str,
) -> int:
    """Create organizations; all or none. Return their number.

    Raises `Conflict` if one of them was created meanwhile, or was deleted.
    """
    outcomes = load_organizations(white_label, incoming, created_by=created_by)
    if set(outcomes) - {Outcome.ACCEPTED}:
        raise Conflict("One of these organizations was created meanwhile.")
    return len(outcomes)


@transaction.atomic
def load_organizations(
    white_label: WhiteLabel,
    incoming: Sequence[IncomingOrganization],
    *,
    created_by: str = "load_organizations",
) -> list[Outcome]:
    """Create or update organizations, in the order of their lines; return the outcomes.

    Lines of one organization are loaded one after another. Loading the same lines again
    changes nothing.
    """
    outcomes: dict[int, Outcome] = {}
    changes = _Changes()
    for indexes in _rounds(incoming):
        lines = {incoming[index].external_id: incoming[index] for index in indexes}
        by_id = _load_round(white_label, lines, changes, created_by)
        outcomes |= {index: by_id[incoming[index].external_id] for index in indexes}
    _signal(changes)
    return [outcomes[index] for index in range(len(incoming))]


def _rounds(incoming: Sequence[IncomingOrganization]) -> Iterator[list[int]]:
    """Yield indexes of lines, so that an organization occurs once in each list."""
    rest = list(range(len(incoming)))
    while rest:
        first: dict[str, int] = {}
        for index in rest:
            first.setdefault(incoming[index].external_id, index)
        yield list(first.values())
        rest = sorted(set(rest) - set(first.values()))


def _load_round(
    white_label: WhiteLabel,
    lines: Mapping[str, IncomingOrganization],
    changes: _Changes,
    created_by: str,
) -> dict[str, Outcome]:
    """Load one line for each organization; return the outcomes by external ID.

    What is to be signaled is added to `changes`.
    """
    known = _lock(white_label, lines)
    new = [lines[key] for key in lines if key not in known]
    created = _create(white_label, new, created_by)
    rows = {key: row for key, row in known.items() if row.deleted_at is None} | created
    names = _update(rows, lines)
    changed = set(names)
    moved = {id_ for id_, fields in names.items() if "contract_started_on" in fields}
    limited = _set_entitlements(rows, lines)
    touch_organizations(limited)
    people = _set_people(Member, _listed(rows, lines, "members"))
    people |= _set_people(Project, _listed(rows, lines, "projects"))
    changes.created |= {row.pk for row in created.values()}
    changes.entitled |= moved | limited
    for id_ in changed | limited:
        changes.updated.setdefault(id_, set()).update(names.get(id_, ()))
    for id_ in limited:
        changes.updated[id_].add("entitlements")
    changes.people |= people
    changed |= limited | people
    return {
        **dict.fromkeys(known, Outcome.DELETED),
        **{
            key: Outcome.UPDATED if row.pk in changed else Outcome.UNCHANGED
            for key, row in rows.items()
        },
        **dict.fromkeys(created, Outcome.ACCEPTED),
    }


def _signal(changes: _Changes) -> None:
    """Notify the apps above; a new organization's limits are read when it is new.

    Counting people locks open periods, and new organizations take the roll-up lock,
    which comes after the periods of organizations that others can have locked.
    """
    if known := changes.people - changes.created:
        signal_people(sorted(known))
    if changes.created:
        signal_created(sorted(changes.created))
    if new := changes.people & changes.created:
        signal_people(sorted(new))
    if entitled := changes.entitled - changes.created:
        signal_entitlements(sorted(entitled))
    by_fields: dict[tuple[str, ...], list[int]] = {}
    for id_ in sorted(changes.updated.keys() - changes.created):
        by_fields.setdefault(tuple(sorted(changes.updated[id_])), []).append(id_)
    for fields, ids in by_fields.items():
        signal_changed(ids, "updated", fields)


def _lock(
    white_label: WhiteLabel, external_ids: Collection[str]
) -> dict[str, Organization]:
    """Return the organizations by external ID; their rows are locked in order."""
    rows = Organization.objects.select_for_update().filter(
        white_label=white_label, external_id__in=list(external_ids)
    )
    return {row.external_id: row for row in rows.order_by("pk")}


def _create(
    white_label: WhiteLabel, lines: Sequence[IncomingOrganization], created_by: str
) -> dict[str, Organization]:
    """Create organizations; return them, also those that another load created now."""
    if not lines:
        return {}
    rows = [_organization(white_label, line, created_by) for line in lines]
    rows.sort(key=lambda row: row.external_id)
    Organization.objects.bulk_create(rows, ignore_conflicts=True)
    return _lock(white_label, [row.external_id for row in rows])


def _organization(
    white_label: WhiteLabel, line: IncomingOrganization, created_by: str
) -> Organization:
    return Organization(
        white_label=white_label,
        external_id=line.external_id,
        created_by=created_by,
        created_at=line.created_at or timezone.now(),
        **_given(line, _COLUMNS),
    )


_COLUMNS = ("name", "billing_email", "contract_started_on")


def _given(line: Struct, names: Iterable[str]) -> dict[str, Any]:
    """Return the fields that a line has; an absent field is not null."""
    values = {name: getattr(line, name) for name in names}
    return {name: value for name, value in values.items() if value is not UNSET}


def _apply(row: Model, values: Mapping[str, Any]) -> set[str]:
    """Set the fields of a row; return the names of those that changed."""
    changed = {name for name, value in values.items() if getattr(row, name) != value}
    for name in changed:
        setattr(row, name, values[name])
    return changed


def _update(
    rows: Mapping[str, Organization], lines: Mapping[str, IncomingOrganization]
) -> dict[int, set[str]]:
    """Update organizations; return the changed fields by the ID of the changed."""
    names = {
        row: _apply(row, _given(lines[key], _COLUMNS)) for key, row in rows.items()
    }
    changed = sorted((row for row in rows.values() if names[row]), key=lambda r: r.pk)
    now = timezone.now()
    for row in changed:
        row.updated_at = now
    Organization.objects.bulk_update(changed, [*_COLUMNS, "updated_at"])
    return {row.pk: names[row] for row in changed}


_LIMITS = tuple(field.name for field in structs.fields(IncomingEntitlements))


def _set_entitlements(
    rows: Mapping[str, Organization], lines: Mapping[str, IncomingOrganization]
) -> set[int]:
    """Set the limits that lines have; return the IDs of changed organizations."""
    given = {
        row.pk: _given(limits, _LIMITS)
        for key, row in rows.items()
        if (limits := lines[key].entitlements) is not None
    }
    rows_of_limits = Entitlements.objects.filter(pk__in=given)
    missing = sorted(given.keys() - set(rows_of_limits.values_list("pk", flat=True)))
    Entitlements.objects.bulk_create(
        [Entitlements(organization_id=pk, **given[pk]) for pk in missing],
        ignore_conflicts=True,  # another load may have created one just now
    )
    stored = rows_of_limits.select_for_update().order_by("pk")
    changed = [row for row in stored if _apply(row, given[row.organization_id])]
    Entitlements.objects.bulk_update(changed, _LIMITS)
    limited = {pk for pk in missing if any(v is not None for v in given[pk].values())}
    return limited | {row.organization_id for row in changed}


# People that lines list, by organization ID and external ID.
Listed = Mapping[tuple[int, str], IncomingMember | IncomingProject]


def _listed(
    rows: Mapping[str, Organization],
    lines: Mapping[str, IncomingOrganization],
    name: str,
) -> Listed:
    return {
        (row.pk, person.external_id): person
        for key, row in rows.items()
        for person in getattr(lines[key], name)
    }


def _set_people(model: type[Person], listed: Listed) -> set[int]:
    """Add, update, and restore people; return the IDs of changed organizations.

    Rows are written in the order in which every writer sorts them, to prevent
    deadlocks.
    """
    rows = model.objects.select_for_update().filter(
        organization_id__in={id_ for id_, _ in listed},
        external_id__in={external_id for _, external_id in listed},
    )
    ordered = rows.order_by("organization_id", "external_id")
    stored = {(row.organization_id, row.external_id): row for row in ordered}
    now = timezone.now()
    new: list[Person] = [
        _person(model, key, listed[key], now) for key in sorted(listed.keys() - stored)
    ]
    model.objects.bulk_create(new, ignore_conflicts=True)
    changed: list[Person] = [
        row
        for key, row in stored.items()
        if key in listed and _apply(row, {**_details(listed[key]), "deleted_at": None})
    ]
    names: Sequence[str] = _MEMBER_DETAILS if model is Member else ("name",)
    model.objects.bulk_update(changed, [*names, "deleted_at"])
    return {row.organization_id for row in (*new, *changed)}


_MEMBER_DETAILS = ("email", "name", "is_staff")


def _details(person: IncomingMember | IncomingProject) -> dict[str, Any]:
    """Return what a line says of a person; an empty name of a project says nothing."""
    if isinstance(person, IncomingMember):
        return _given(person, _MEMBER_DETAILS)
    return {"name": person.name} if person.name else {}


def _person(
    model: type[Person],
    key: tuple[int, str],
    person: IncomingMember | IncomingProject,
    now: datetime,
) -> Person:
    organization_id, external_id = key
    default = {"name": external_id} if model is Project else {}
    return model(
        organization_id=organization_id,
        external_id=external_id,
        added_at=person.added_at or now,
        **{**default, **_details(person)},
    )
