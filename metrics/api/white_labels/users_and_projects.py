"""Contract A: search and list the users and projects of a white label."""

from datetime import datetime
from typing import Any, Literal

from django.db.models import F
from django.db.models.functions import Lower
from django.http import HttpRequest
from ninja import Query
from pydantic import Field

from metrics.api.white_labels.lists import first_day
from metrics.queries.compute import has_usage_since
from orgs.api.white_labels.common import (
    WHITE_LABEL,
    Id,
    get_white_label,
    read_operation,
    router,
)
from orgs.api.white_labels.list_params import (
    FilterFields,
    SortFields,
    filtered_by,
    parse_id,
    search_rows,
    slice_page,
    sorted_by,
)
from orgs.api.white_labels.schemas import AGenericOut, ListIn, ResponseBody, Text
from orgs.catalog import Scope
from orgs.models import Member, Project
from orgs.queries.counting import count_or_estimate

_TIER = "enterprise"
_TOTAL = "The number of matches; exact up to 10,000, then an estimate."


class AUserOut(ResponseBody):
    """A user: a member of one organization."""

    id: int = Field(description="The ID in Orgdesk.")
    username: str = Field(description="Your ID of the user.")
    email: str = Field(description="The email address; may be empty.")
    name: str = Field(description="The full name; may be empty.")
    created: datetime = Field(description="When the user was added.")
    tier: str = Field(description="Always `enterprise`.")
    deleted_date: datetime | None = Field(
        description="When the user was removed; null if active."
    )


class AUsersOut(AGenericOut):
    """A page of users."""

    total: int = Field(description=_TOTAL)
    users: list[AUserOut] = Field(description="In the requested order.")


class UsersIn(ListIn):
    """Which users to list, and how many at once."""

    tier: Literal["free", "community-plus", "professional", "enterprise"] | None = (
        Field(
            None, description="Every user has the tier `enterprise`; others match none."
        )
    )
    fields_: Text = Field(
        "", alias="fields", description="Ignored; all fields are returned."
    )


class AProjectOut(ResponseBody):
    """A project of an organization."""

    id: int = Field(description="The ID in Orgdesk.")
    name: str = Field(description="The display name.")
    owner: str = Field(description="The name of its organization.")
    owner_organization_id: int = Field(description="The ID of its organization.")
    whitelabel_id: int = Field(description="The ID of its white label.")
    created: datetime = Field(description="When the project was added.")
    tier: str = Field(description="Always `enterprise`.")
    deleted_date: datetime | None = Field(
        description="When the project was deleted; null if active."
    )


class AProjectsOut(AGenericOut):
    """A page of projects."""

    total: int = Field(description=_TOTAL)
    projects: list[AProjectOut] = Field(description="In the requested order.")


_USER_ORDER: SortFields = {
    "id": F("id"),
    "username": F("external_id"),
    "email": Lower("email"),
    "name": Lower("name"),
    "created": F("added_at"),
}
_USER_FILTERS: FilterFields = {
    "id": ("id", parse_id),
    "username": ("external_id", str),
    "email": ("email__iexact", str),
    "name": ("name__iexact", str),
    "organizationId": ("organization_id", parse_id),
}


@router.get(
    f"{WHITE_LABEL}/users",
    **read_operation("List the users of a white label", AUsersOut),
    operation_id="list_white_label_users",
)
def users(request: HttpRequest, organization_id: Id, query: Query[UsersIn]) -> Any:
    """Return the members of all organizations, once per organization they belong to.

    Sort by id, username, email, name, or created. Filter by id, username, email, name,
    or organizationId. `active` refers to the usage of the organization.
    """
    white_label = get_white_label(request, organization_id, Scope.ORGANIZATIONS_READ)
    rows = Member.objects.filter(organization__white_label=white_label)
    rows = search_rows(rows, query.search, "name", "email", "external_id")
    if query.tier not in (None, _TIER):
        rows = rows.none()
    if query.active:
        since = first_day(white_label, query.active)
        rows = rows.filter(has_usage_since(since, organization_id="organization_id"))
    rows = _exclude_deleted(filtered_by(rows, query.filters, _USER_FILTERS), query)
    page = slice_page(sorted_by(rows, query.sort, _USER_ORDER), query)
    return {"total": count_or_estimate(rows), "users": [_user(row) for row in page]}


def _exclude_deleted(rows: Any, query: ListIn) -> Any:
    """Exclude rows that are deleted or of a deleted organization, unless requested."""
    if query.include_deleted:
        return rows
    return rows.filter(deleted_at=None, organization__deleted_at=None)


def _user(row: Member) -> dict[str, Any]:
    return {
        "id": row.pk,
        "username": row.external_id,
        "email": row.email,
        "name": row.name,
        "created": row.added_at,
        "tier": _TIER,
        "deleted_date": row.deleted_at,
    }


_PROJECT_ORDER: SortFields = {
    "id": F("id"),
    "name": Lower("name"),
    "created": F("added_at"),
}
_PROJECT_FILTERS: FilterFields = {
    "id": ("id", parse_id),
    "name": ("name__iexact", str),
    "ownerOrganizationId": ("organization_id", parse_id),
}


@router.get(
    f"{WHITE_LABEL}/projects",
    **read_operation("List the projects of a white label", AProjectsOut),
    operation_id="list_white_label_projects",
)
def projects(request: HttpRequest, organization_id: Id, query: Query[ListIn]) -> Any:
    """Return the projects of all organizations.

    Sort by id, name, or created. Filter by id, name, or ownerOrganizationId.
    """
    white_label = get_white_label(request, organization_id, Scope.ORGANIZATIONS_READ)
    rows = Project.objects.filter(organization__white_label=white_label)
    rows = search_rows(rows, query.search, "name", "external_id")
    if query.active:
        since = first_day(white_label, query.active)
        has_usage = has_usage_since(
            since, organization_id="organization_id", project_id="pk"
        )
        rows = rows.filter(has_usage)
    rows = _exclude_deleted(filtered_by(rows, query.filters, _PROJECT_FILTERS), query)
    ordered = sorted_by(rows.select_related("organization"), query.sort, _PROJECT_ORDER)
    return {
        "total": count_or_estimate(rows),
        "projects": [_project(row) for row in slice_page(ordered, query)],
    }


def _project(row: Project) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "owner": row.organization.name,
        "owner_organization_id": row.organization_id,
        "whitelabel_id": row.organization.white_label_id,
        "created": row.added_at,
        "tier": _TIER,
        "deleted_date": row.deleted_at,
    }
