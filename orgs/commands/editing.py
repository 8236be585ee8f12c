"""Changes of one organization and its people; each call is one transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from orgs.commands.jobs import cancel_jobs, refuse_owner
from orgs.commands.organizations import (
    signal_availability,
    signal_changed,
    signal_created,
    signal_entitlements,
    signal_people,
    touch_organization,
)
from orgs.errors import Conflict, DomainError
from orgs.models import Entitlements, Job, Member, Organization, Project, WhiteLabel

Values = Mapping[str, Any]
Person = TypeVar("Person", Member, Project)


@transaction.atomic
def create_organization(
    white_label: WhiteLabel,
    *,
    external_id: str,
    name: str,
    values: Values | None = None,
    entitlements: Values | None = None,
    created_by: str = "",
) -> Organization:
    """Create an organization with its first billing period.

    Raises `Conflict` if the external ID is taken.
    """
    organization = Organization(
        white_label=white_label,
        external_id=external_id,
        name=name,
        created_by=created_by,
        **(values or {}),
    )
    _check(organization, exclude=["white_label"])
    try:
        with transaction.atomic():
            organization.save()
    except IntegrityError:
        raise _exists(white_label, organization.external_id) from None
    if entitlements is not None:
        _set_entitlements(organization, entitlements)
        organization.refresh_from_db(fields=["updated_at"])
    signal_created([organization.pk])
    if not organization.is_active:
        signal_availability([organization.pk])
    return organization


def _exists(white_label: WhiteLabel, external_id: str) -> Conflict:
    message = "An organization with this external ID already exists."
    deleted = Organization.objects.filter(
        white_label=white_label, external_id=external_id, deleted_at__isnull=False
    ).first()
    if deleted is not None:
        message = (
            f"The deleted organization {deleted.pk} has this external ID. Restore it"
            f" with POST /api/v1/organizations/{deleted.pk}/restore."
        )
    return Conflict(message, code="organization_exists", fields=("external_id",))


@transaction.atomic
def change_organization(
    organization: Organization, values: Values, entitlements: Values | None = None
) -> Organization:
    """Change only the given fields; the row is locked and read again first."""
    current = Organization.objects.select_for_update().get(pk=organization.pk)
    before = {name: getattr(current, name) for name in values}
    for name, value in values.items():
        setattr(current, name, value)
    if values:
        _check(current, exclude=["white_label"])
        _save(current, [*values, "updated_at"])
    changed = {name for name in values if before[name] != getattr(current, name)}
    if "is_active" in values:
        signal_availability([current.pk])
    if "contract_started_on" in values:  # it decides the year that limits are for
        signal_entitlements([current.pk])
    if entitlements is not None:
        _, is_changed = _set_entitlements(current, entitlements)
        changed |= {"entitlements"} if is_changed else set()
    current.refresh_from_db(fields=["updated_at"])
    if changed:
        signal_changed([current.pk], "updated", changed)
    return current


def _save(row: Organization | Member | Project, names: list[str]) -> None:
    try:
        with transaction.atomic():
            row.save(update_fields=names)
    except IntegrityError:
        raise Conflict(
            "This external ID is already taken.", fields=("external_id",)
        ) from None


def _check(row: Organization | Member | Project, *, exclude: list[str]) -> None:
    try:
        row.clean_fields(exclude=exclude)
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise DomainError(
            f"{field}: {messages[0]}", code=f"invalid_{field}", fields=(field,)
        ) from None


@transaction.atomic
def set_entitlements(organization: Organization, values: Values) -> Entitlements:
    """Change only the given limits; None removes a limit."""
    entitlements, is_changed = _set_entitlements(organization, values)
    if is_changed:
        signal_changed([organization.pk], "updated", ["entitlements"])
    return entitlements


def _set_entitlements(
    organization: Organization, values: Values
) -> tuple[Entitlements, bool]:
    """Change the limits; return them, and whether any differs from before."""
    Entitlements.objects.get_or_create(organization=organization)
    entitlements = Entitlements.objects.select_for_update().get(
        organization=organization
    )
    before = {name: getattr(entitlements, name) for name in values}
    for name, value in values.items():
        setattr(entitlements, name, value)
    entitlements.save()
    is_changed = before != dict(values)
    if is_changed:
        touch_organization(organization.pk)
    signal_entitlements([organization.pk])
    return entitlements, is_changed


@transaction.atomic
def delete_organization(organization: Organization) -> None:
    """Mark an organization as deleted; its data stays. No effect if it is deleted.

    Raises `Conflict` for the owner of a white label.
    """
    refuse_owner(organization)
    rows = Organization.objects.filter(pk=organization.pk, deleted_at=None)
    deleted = rows.update(deleted_at=timezone.now(), updated_at=timezone.now())
    signal_availability([organization.pk])
    if deleted:
        signal_changed([organization.pk], "deleted")


@transaction.atomic
def restore_organization(organization: Organization) -> None:
    """Restore a deleted organization and cancel a pending deletion.

    No effect on an organization that is not deleted.
    """
    kind = Job.Kind.DELETE_ORGANIZATION
    cancel_jobs(organization.pk, kind, reason="The organization was restored.")
    rows = Organization.objects.filter(pk=organization.pk)
    deleted, now = rows.filter(deleted_at__isnull=False), timezone.now()
    restored = deleted.update(deleted_at=None, updated_at=now)
    if not restored:
        rows.update(updated_at=now)
    signal_availability([organization.pk])
    if restored:
        signal_changed([organization.pk], "restored")


@transaction.atomic
def add_member(
    organization: Organization, *, external_id: str, values: Values | None = None
) -> Member:
    """Add a member, or restore a removed one; raise `Conflict` for an active one."""
    member = _require_deleted(
        Member.objects.select_for_update()
        .filter(organization=organization, external_id=external_id)
        .first()
    ) or Member(organization=organization, external_id=external_id)
    return _save_active(member, values or {}, organization)


@transaction.atomic
def add_project(
    organization: Organization, *, external_id: str, values: Values | None = None
) -> Project:
    """Add a project, or restore a deleted one; raise `Conflict` for an active one."""
    project = _require_deleted(
        Project.objects.select_for_update()
        .filter(organization=organization, external_id=external_id)
        .first()
    ) or Project(organization=organization, external_id=external_id, name=external_id)
    return _save_active(project, values or {}, organization)


def _require_deleted(row: Person | None) -> Person | None:
    """Return a deleted row, or None if there is none; raise `Conflict` otherwise."""
    if row is not None and row.deleted_at is None:
        raise Conflict("This external ID is already taken.", fields=("external_id",))
    return row


def _save_active(row: Person, values: Values, organization: Organization) -> Person:
    """Save a new or restored member or project with these values."""
    row.deleted_at = None
    for name, value in values.items():
        setattr(row, name, value)
    _check(row, exclude=["organization"])
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise Conflict(
            "This external ID is already taken.", fields=("external_id",)
        ) from None
    signal_people([organization.pk])
    return row


@transaction.atomic
def change_person(row: Any, values: Values) -> Any:
    """Change the given fields of a member or project; return the changed row."""
    current = type(row).objects.select_for_update().get(pk=row.pk)
    for name, value in values.items():
        setattr(current, name, value)
    _check(current, exclude=["organization"])
    _save(current, list(values))
    signal_people([current.organization_id])
    return current


@transaction.atomic
def remove_person(row: Any, *, at: datetime | None = None) -> None:
    """Mark a member or project as deleted; no effect if it is deleted already."""
    changed = (
        type(row)
        .objects.filter(pk=row.pk, deleted_at=None)
        .update(deleted_at=max(at or timezone.now(), row.added_at))
    )
    if changed:
        signal_people([row.organization_id])
