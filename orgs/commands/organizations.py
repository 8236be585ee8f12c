"""Incoming organizations and people, new projects, and the signals of all writers."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from django.db import transaction
from django.utils import timezone
from msgspec import UNSET, Meta, Struct, UnsetType

from orgs.models import Entitlements, Organization, Project
from orgs.models.fields import EARLIEST, LATEST
from orgs.signals import (
    availability_changed,
    entitlements_changed,
    organizations_changed,
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
    email: Email | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    is_staff: bool | UnsetType = UNSET
    added_at: Instant | None = None

    def __post_init__(self) -> None:
        _check_instant(self.added_at)


class IncomingProject(Struct, frozen=True, forbid_unknown_fields=True):
    """A project in a line of `load_organizations`."""

    external_id: Id
    name: Text | UnsetType = UNSET
    added_at: Instant | None = None

    def __post_init__(self) -> None:
        _check_instant(self.added_at)


class IncomingEntitlements(Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of an organization; null is no limit, absent leaves a limit."""

    storage_bytes: Limit | UnsetType | None = UNSET
    compute_seconds_per_year: Limit | UnsetType | None = UNSET
    gpu_seconds_per_year: Limit | UnsetType | None = UNSET
    projects: Headcount | UnsetType | None = UNSET
    users: Headcount | UnsetType | None = UNSET


class IncomingOrganization(Struct, frozen=True, forbid_unknown_fields=True):
    """A line of `load_organizations`; what is absent stays as it is."""

    external_id: Id
    name: Id
    billing_email: Email | UnsetType = UNSET
    contract_started_on: date | UnsetType | None = UNSET
    created_at: Instant | None = None
    entitlements: IncomingEntitlements | None = None
    members: list[IncomingMember] = []
    projects: list[IncomingProject] = []

    def __post_init__(self) -> None:
        _check_instant(self.created_at)
        if isinstance(self.contract_started_on, date):
            noon = datetime.combine(self.contract_started_on, time(12), UTC)
            _check_instant(noon - _MAX_ZONE_OFFSET)
            _check_instant(noon + _MAX_ZONE_OFFSET)


def signal_created(organization_ids: Sequence[int]) -> None:
    """Notify the apps above of new organizations, in the caller's transaction."""
    organizations_created.send(Organization, organization_ids=list(organization_ids))


def signal_people(organization_ids: Sequence[int]) -> None:
    """Notify the apps above of changed headcounts, in the caller's transaction."""
    people_changed.send(Organization, organization_ids=list(organization_ids))


def signal_availability(organization_ids: Sequence[int]) -> None:
    """Notify the apps above of organizations that may be served now, or no longer."""
    availability_changed.send(Organization, organization_ids=list(organization_ids))


def signal_entitlements(organization_ids: Sequence[int]) -> None:
    """Notify the apps above of changed entitlements, in the caller's transaction."""
    entitlements_changed.send(Entitlements, organization_ids=list(organization_ids))


def signal_changed(
    organization_ids: Sequence[int], change: str, fields: Collection[str] = ()
) -> None:
    """Notify the apps above of changes of organizations, in the caller's transaction.

    `change` is `updated`, with the names of the fields, `deleted` or `restored`; the
    name `entitlements` stands for all limits.
    """
    organizations_changed.send(
        Organization,
        organization_ids=list(organization_ids),
        change=change,
        fields=sorted(fields),
    )


def touch_organization(organization_id: int) -> None:
    """Mark an organization as changed now, as `touch_organizations` does."""
    touch_organizations([organization_id])


def touch_organizations(organization_ids: Collection[int]) -> None:
    """Mark organizations as changed now, because something that they have was changed.

    Call it in the transaction of the change, with the rows of several organizations
    locked. A trigger moves the instant forward even if this machine's clock is behind.
    """
    rows = Organization.objects.filter(pk__in=organization_ids)
    rows.update(updated_at=timezone.now())


@transaction.atomic
def ensure_projects(first_seen: Mapping[tuple[int, str], datetime]) -> None:
    """Create missing projects, given by (organization id, external id)."""
    projects = [
        Project(organization_id=id_, external_id=key, name=key, added_at=added_at)
        for (id_, key), added_at in sorted(first_seen.items())
    ]
    Project.objects.bulk_create(projects, ignore_conflicts=True)
    signal_people(sorted({id_ for id_, _ in first_seen}))
