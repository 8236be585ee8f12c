"""API endpoints for the members and projects of an organization."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from orgs import access
from orgs.api.organizations import READS, WRITES
from orgs.catalog import Scope
from orgs.commands import editing
from orgs.commands.editing import change_person, remove_person
from orgs.errors import OrganizationNotFound
from orgs.models import Member, Organization, Project
from orgs.queries.paging import Order, fetch_page
from orgs.schemas.numbers import PlainBool, PlainInt
from orgs.schemas.organizations import (
    MAX_BIGINT,
    MemberChangeIn,
    MemberIn,
    MemberOut,
    MembersOut,
    ProjectChangeIn,
    ProjectIn,
    ProjectOut,
    ProjectsOut,
    member_out,
    project_out,
)

router = Router(tags=["members and projects"])
_PATH = "/organizations/{organization_id}"


class PeopleIn(Schema):
    """Which rows to list, and how many at once."""

    includeDeleted: PlainBool = Field(  # noqa: N815  as everywhere in this API
        False,
        description="Whether deleted rows are listed, also of a deleted organization.",
    )
    limit: PlainInt = Field(
        100, ge=1, le=1_000, description="The number of rows per page, from 1 to 1,000."
    )
    cursor: str | None = Field(
        None,
        max_length=2_000,
        description="The `next_cursor` of the previous page, to read the next one.",
    )


class NotFound(OrganizationNotFound):
    """The error for a member or project that does not exist in this organization."""

    code = "not_found"

    def __init__(self) -> None:
        super().__init__()
        self.message = "Member or project not found."


def _read(request: HttpRequest, organization_id: str) -> Organization:
    return access.called_organization(
        request, organization_id, Scope.ORGANIZATIONS_READ
    )


def _write(request: HttpRequest, organization_id: str) -> Organization:
    return access.called_organization(
        request, organization_id, Scope.ORGANIZATIONS_WRITE
    )


def _get_active(rows: Any, id_: str) -> Any:
    """Return the active member or project of this id, or raise `NotFound`."""
    is_id = id_.isascii() and id_.isdigit() and len(id_) <= len(str(MAX_BIGINT))
    row = is_id and int(id_) <= MAX_BIGINT and rows.filter(pk=int(id_)).first()
    if not row or row.deleted_at is not None:
        raise NotFound
    return row


def _page(rows: Any, filters: PeopleIn, scope: str) -> Any:
    if not filters.includeDeleted:
        rows = rows.filter(deleted_at=None)
    return fetch_page(
        rows, Order("id"), size=filters.limit, cursor=filters.cursor, scope=scope
    )


@router.get(
    f"{_PATH}/members",
    response={200: MembersOut, **READS},
    summary="List members",
    auth=access.needs(Scope.ORGANIZATIONS_READ),
)
def list_members(
    request: HttpRequest, organization_id: str, filters: Query[PeopleIn]
) -> Any:
    """Return the members of an organization, ordered by ID."""
    organization = _read(request, organization_id)
    rows = Member.objects.filter(organization=organization)
    page = _page(rows, filters, f"members:{organization.pk}")
    members = [member_out(row) for row in page.rows]
    return {"members": members, "next_cursor": page.next_cursor}


@router.post(
    f"{_PATH}/members",
    response={201: MemberOut, **WRITES},
    summary="Add a member",
    auth=access.needs(Scope.ORGANIZATIONS_WRITE),
)
@access.idempotent
def add_member(request: HttpRequest, organization_id: str, data: MemberIn) -> Any:
    """Add a member to an organization.

    A removed member with the same external ID is added back. An active one is a
    conflict.
    """
    organization = _write(request, organization_id)
    values = {k: v for k, v in data.given().items() if v is not None}
    external_id = values.pop("external_id")
    member = editing.add_member(organization, external_id=external_id, values=values)
    return Status(201, member_out(member))


@router.patch(
    f"{_PATH}/members/{{member_id}}",
    response={200: MemberOut, **WRITES},
    summary="Update a member",
    auth=access.needs(Scope.ORGANIZATIONS_WRITE),
    operation_id="update_member",
)
@access.idempotent
def change_member(
    request: HttpRequest, organization_id: str, member_id: str, data: MemberChangeIn
) -> Any:
    """Change the fields that are sent; the others keep their values."""
    organization = _write(request, organization_id)
    member = _get_active(Member.objects.filter(organization=organization), member_id)
    return member_out(change_person(member, data.given()))


@router.delete(
    f"{_PATH}/members/{{member_id}}",
    response={204: None, **WRITES},
    summary="Remove a member",
    auth=access.needs(Scope.ORGANIZATIONS_WRITE),
)
@access.idempotent
def remove_member(request: HttpRequest, organization_id: str, member_id: str) -> Any:
    """Mark a member as removed; daily member counts of the past stay."""
    organization = _write(request, organization_id)
    member = _get_active(Member.objects.filter(organization=organization), member_id)
    remove_person(member)
    return Status(204, None)


@router.get(
    f"{_PATH}/projects",
    response={200: ProjectsOut, **READS},
    summary="List projects",
    auth=access.needs(Scope.ORGANIZATIONS_READ),
)
def list_projects(
    request: HttpRequest, organization_id: str, filters: Query[PeopleIn]
) -> Any:
    """Return the projects of an organization, ordered by ID."""
    organization = _read(request, organization_id)
    rows = Project.objects.filter(organization=organization)
    page = _page(rows, filters, f"projects:{organization.pk}")
    projects = [project_out(row) for row in page.rows]
    return {"projects": projects, "next_cursor": page.next_cursor}


@router.post(
    f"{_PATH}/projects",
    response={201: ProjectOut, **WRITES},
    summary="Add a project",
    auth=access.needs(Scope.ORGANIZATIONS_WRITE),
)
@access.idempotent
def add_project(request: HttpRequest, organization_id: str, data: ProjectIn) -> Any:
    """Add a project to an organization.

    A deleted project with the same external ID is added back. An active one is a
    conflict. Usage events that name an unknown project create it as well.
    """
    organization = _write(request, organization_id)
    values = {k: v for k, v in data.given().items() if v is not None}
    external_id = values.pop("external_id")
    project = editing.add_project(organization, external_id=external_id, values=values)
    return Status(201, project_out(project))


@router.patch(
    f"{_PATH}/projects/{{project_id}}",
    response={200: ProjectOut, **WRITES},
    summary="Update a project",
    auth=access.needs(Scope.ORGANIZATIONS_WRITE),
    operation_id="update_project",
)
@access.idempotent
def change_project(
    request: HttpRequest, organization_id: str, project_id: str, data: ProjectChangeIn
) -> Any:
    """Change the fields that are sent; the others keep their values."""
    organization = _write(request, organization_id)
    project = _get_active(Project.objects.filter(organization=organization), project_id)
    return project_out(change_person(project, data.given()))


@router.delete(
    f"{_PATH}/projects/{{project_id}}",
    response={204: None, **WRITES},
    summary="Delete a project",
    auth=access.needs(Scope.ORGANIZATIONS_WRITE),
    operation_id="delete_project",
)
@access.idempotent
def remove_project(request: HttpRequest, organization_id: str, project_id: str) -> Any:
    """Mark a project as deleted; its usage and costs stay."""
    organization = _write(request, organization_id)
    project = _get_active(Project.objects.filter(organization=organization), project_id)
    remove_person(project)
    return Status(204, None)
