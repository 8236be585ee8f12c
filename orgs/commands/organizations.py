"""Bulk creation of organizations and their people, and the signals of all writers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from django.db import transaction
from django.utils import timezone
from msgspec import Meta, Struct, structs

from orgs.models import Entitlements, Member, Organization, Project, WhiteLabel
from orgs.models.fields import EARLIEST, LATEST
from orgs.signals import (
    entitlements_changed,
    organizations_created,
    people_changed,
)

# As in `orgs.models.fields.validate_text`: no control or text direction characters.
_PLAIN = r"^[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]*\Z"
Id = Annotated[str, Meta(min_length=1, max_length=200, pattern=_PLAIN)]
Text = Annotated[str, Meta(max_length=200, pattern=_PLAIN)]
Instant = Annotated[datetime, Meta(tz=True)]
Limit = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Headcount = Annotated[int, Meta(ge=0, le=2**31 - 1)]
# The first period starts at midnight in the zone, which may be a day before or after.
_MAX_ZONE_OFFSET = timedelta(days=1)
Email = Annotated[str, Meta(max_length=254, pattern=r"^([^@\s\x00]+@[^@\s\x00]+)?\Z")]


def _check_instant(instant: datetime | None) -> None:
    """Raise `ValueError`, which msgspec reports, if the tables cannot hold it."""
    if instant is not None and not EARLIEST <= instant < LATEST:
        raise ValueError("The time must be between the years 2000 and 2200")


class IncomingMember(Struct, frozen=True, forbid_unknown_fields=True):
    """A member in a line of `load_organizations`."""

    external_id: Id
    email: Email = ""
    name: Text = ""
    is_staff: bool = False
    added_at: Instant | None = None

    def __post_init__(self) -> None:
        _check_instant(self.added_at)


class IncomingProject(Struct, frozen=True, forbid_unknown_fields=True):
    """A project in a line of `load_organizations`."""

    external_id: Id
    name: Text = ""
    added_at: Instant | None = None

    def __post_init__(self) -> None:
        _check_instant(self.added_at)


class IncomingEntitlements(Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of an organization; null or absent is no limit."""

    storage_bytes: Limit | None = None
    compute_seconds_per_year: Limit | None = None
    gpu_seconds_per_year: Limit | None = None
    projects: Headcount | None = None
    users: Headcount | None = None


class IncomingOrganization(Struct, frozen=True, forbid_unknown_fields=True):
    """A line of `load_organizations`."""

    external_id: Id
    name: Id
    billing_email: Email = ""
    contract_started_on: date | None = None
    created_at: Instant | None = None
    entitlements: IncomingEntitlements | None = None
    members: list[IncomingMember] = []
    projects: list[IncomingProject] = []

    def __post_init__(self) -> None:
        _check_instant(self.created_at)
        if self.contract_started_on is not None:
            noon = datetime.combine(self.contract_started_on, time(12), UTC)
            _check_instant(noon - _MAX_ZONE_OFFSET)
            _check_instant(noon + _MAX_ZONE_OFFSET)


def signal_created(organization_ids: Sequence[int]) -> None:
    """Notify the apps above of new organizations, in the caller's transaction."""
    organizations_created.send(Organization, organization_ids=list(organization_ids))


def signal_people(organization_ids: Sequence[int]) -> None:
    """Notify the apps above of changed headcounts, in the caller's transaction."""
    people_changed.send(Organization, organization_ids=list(organization_ids))


def signal_entitlements(organization_ids: Sequence[int]) -> None:
    """Notify the apps above of changed entitlements, in the caller's transaction."""
    entitlements_changed.send(Entitlements, organization_ids=list(organization_ids))


@transaction.atomic
def load_organizations(
    white_label: WhiteLabel, incoming: Sequence[IncomingOrganization]
) -> list[bool]:
    """Create the organizations that are new; return for each line whether it was.

    An organization that exists is not changed, but members and projects it lacks are
    added. So a load that was interrupted can be repeated.
    """
    existing_ids = _ids(white_label, incoming)
    new_lines: dict[str, IncomingOrganization] = {}
    for line in incoming:
        if line.external_id not in existing_ids:
            new_lines.setdefault(line.external_id, line)
    Organization.objects.bulk_create(
        [_organization(white_label, new_lines[key]) for key in sorted(new_lines)],
        ignore_conflicts=True,  # another load may be creating the same ones
    )
    ids = _ids(white_label, incoming)
    _add_entitlements(ids, new_lines)
    signal_created(sorted(ids[key] for key in new_lines))
    _add_people(ids, incoming)
    return [new_lines.get(line.external_id) is line for line in incoming]


def _ids(
    white_label: WhiteLabel, incoming: Sequence[IncomingOrganization]
) -> dict[str, int]:
    rows = Organization.objects.filter(
        white_label=white_label, external_id__in=[o.external_id for o in incoming]
    )
    return dict(rows.values_list("external_id", "id"))


def _organization(white_label: WhiteLabel, line: IncomingOrganization) -> Organization:
    return Organization(
        white_label=white_label,
        external_id=line.external_id,
        name=line.name,
        billing_email=line.billing_email,
        contract_started_on=line.contract_started_on,
        created_at=line.created_at or timezone.now(),
    )


def _add_entitlements(
    ids: Mapping[str, int], new_lines: Mapping[str, IncomingOrganization]
) -> None:
    rows = [
        Entitlements(organization_id=ids[key], **structs.asdict(line.entitlements))
        for key, line in sorted(new_lines.items())
        if line.entitlements is not None
    ]
    Entitlements.objects.bulk_create(rows, ignore_conflicts=True)


def _add_people(
    ids: Mapping[str, int], incoming: Sequence[IncomingOrganization]
) -> None:
    now = timezone.now()
    members = [
        Member(
            organization_id=ids[line.external_id],
            external_id=member.external_id,
            email=member.email,
            name=member.name,
            is_staff=member.is_staff,
            added_at=member.added_at or now,
        )
        for line in incoming
        for member in line.members
    ]
    projects = [
        Project(
            organization_id=ids[line.external_id],
            external_id=project.external_id,
            name=project.name or project.external_id,
            added_at=project.added_at or now,
        )
        for line in incoming
        for project in line.projects
    ]
    Member.objects.bulk_create(sorted(members, key=_sort_key), ignore_conflicts=True)
    Project.objects.bulk_create(sorted(projects, key=_sort_key), ignore_conflicts=True)
    changed = {row.organization_id for row in members}
    changed |= {row.organization_id for row in projects}
    if changed:
        signal_people(sorted(changed))


def _sort_key(row: Member | Project) -> tuple[int, str]:
    """Return the sort key by which every writer orders rows, to prevent deadlocks."""
    return row.organization_id, row.external_id


@transaction.atomic
def ensure_projects(first_seen: Mapping[tuple[int, str], datetime]) -> None:
    """Create missing projects, given by (organization id, external id)."""
    projects = [
        Project(organization_id=id_, external_id=key, name=key, added_at=added_at)
        for (id_, key), added_at in sorted(first_seen.items())
    ]
    Project.objects.bulk_create(projects, ignore_conflicts=True)
    signal_people(sorted({id_ for id_, _ in first_seen}))
