"""Operations of contract A for one project, and to create one for a user."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query
from pydantic import Field

from orgs.access import row_id
from orgs.api.white_labels.common import (
    WHITE_LABEL,
    Id,
    get_white_label,
    key_scopes,
    read_operation,
    router,
    write_operation,
)
from orgs.api.white_labels.people import AProjectIn
from orgs.api.white_labels.schemas import (
    AEntityKeyOut,
    AGenericOut,
    AJobsOut,
    PageIn,
    ResponseBody,
)
from orgs.catalog import Scope
from orgs.commands.bootstrap import create_with_key, find_user
from orgs.errors import DomainError, NotFound
from orgs.models import Project, WhiteLabel

PROJECTS = f"{WHITE_LABEL}/projects"
PROJECT = f"{PROJECTS}/{{project_id}}"
_FALSE = "Always false."


class AProjectDetailOut(ResponseBody):
    """A project. Fields that Orgdesk does not use have fixed values."""

    id: int = Field(description="The ID in Orgdesk.", examples=[31])
    name: str = Field(description="The display name.", examples=["Chat"])
    description: str = Field(description="Always empty.", examples=[""])
    created: datetime = Field(
        description="When the project was added.", examples=["2026-11-05T09:30:00Z"]
    )
    owner: str = Field(
        description="The name of its organization.", examples=["Northwind Labs"]
    )
    owner_organization_id: int = Field(
        description="The ID of its organization.", examples=[71]
    )
    owner_is_developer_profile: bool = Field(
        description="Whether its organization is personal.", examples=[False]
    )
    collaborators: list[Any] = Field(description="Always empty.", examples=[[]])
    labeling_method: str = Field(
        description="Always `single_label`.", examples=["single_label"]
    )
    metadata: dict[str, Any] = Field(
        description="Your ID of the project, `externalId`.",
        examples=[{"externalId": "chat"}],
    )
    is_enterprise_project: bool = Field(description="Always true.", examples=[True])
    whitelabel_id: int = Field(description="The ID of its white label.", examples=[1])
    whitelabel_name: str = Field(
        description="The name of its white label.", examples=["Acme"]
    )
    tier: str = Field(description="Always `enterprise`.", examples=["enterprise"])
    has_public_version: bool = Field(description=_FALSE, examples=[False])
    is_public: bool = Field(
        description="Whether the project is public.", examples=[False]
    )
    allows_live_public_access: bool = Field(description=_FALSE, examples=[False])
    ind_pause_processing_samples: bool = Field(description=_FALSE, examples=[False])
    public_project_listed: bool = Field(description=_FALSE, examples=[False])


class AProjectInfoOut(AGenericOut):
    """A project of the white label."""

    project: AProjectDetailOut = Field(description="The project.")


class AUserProjectIn(AProjectIn):
    """A new project in the organization of its owner."""

    owner_id: int | None = Field(
        None,
        ge=1,
        le=2**63 - 1,
        description="The ID of the user whose organization gets the project.",
        examples=[7],
    )
    owner_email: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="The email address of that user, if `ownerId` is not sent.",
        examples=["ada@northwind.example"],
    )


@router.post(
    PROJECTS,
    **write_operation("Create a project for a user", AEntityKeyOut),
    operation_id="create_white_label_user_project",
)
def create_user_project(
    request: HttpRequest, organization_id: Id, data: AUserProjectIn
) -> Any:
    """Create a project in the organization of a user of the white label.

    Unless `createApiKey` is false, an API key is created as well. It is for the whole
    organization and has the scopes of a member.
    """
    label = get_white_label(request, organization_id, Scope.ORGANIZATIONS_WRITE)
    owner = find_user(label, data.owner_id, data.owner_email or "", field="ownerId")
    if owner is None:
        message = "Send the `ownerId` or `ownerEmail` of a user of the white label."
        raise DomainError(message, fields=("ownerId", "ownerEmail"))
    project, text = create_with_key(
        owner.organization,
        name=data.project_name,
        is_public=data.project_visibility == "public",
        scopes=key_scopes(request, "member") if data.create_api_key else [],
    )
    return {"id": project.pk, "api_key": text}


@router.get(
    PROJECT,
    **read_operation("Retrieve a project", AProjectInfoOut),
    operation_id="get_white_label_project",
)
def get_project(request: HttpRequest, organization_id: Id, project_id: Id) -> Any:
    """Return a project of the white label; one that was deleted is not found."""
    label = get_white_label(request, organization_id, Scope.ORGANIZATIONS_READ)
    return {"project": _project_out(_find_project(label, project_id), label)}


@router.get(
    f"{PROJECT}/jobs",
    **read_operation("List the jobs of a project", AJobsOut),
    operation_id="list_white_label_project_jobs",
)
def list_project_jobs(
    request: HttpRequest, organization_id: Id, project_id: Id, page: Query[PageIn]
) -> Any:
    """Return the jobs of a project: none.

    Jobs delete organizations and write reports of their usage; the organization lists
    them.
    """
    label = get_white_label(request, organization_id, Scope.ORGANIZATIONS_READ)
    _find_project(label, project_id)
    return {"jobs": [], "total_job_count": 0}


def _find_project(label: WhiteLabel, project_id: str) -> Project:
    """Return an active project of the white label; raise `NotFound` for any other."""
    rows = Project.objects.select_related("organization").filter(
        organization__white_label=label, organization__deleted_at=None, deleted_at=None
    )
    project = rows.filter(pk=row_id(project_id)).first()
    if project is None:
        raise NotFound("Project not found.")
    return project


def _project_out(project: Project, label: WhiteLabel) -> dict[str, Any]:
    organization = project.organization
    unused = (
        *("has_public_version", "allows_live_public_access"),
        *("ind_pause_processing_samples", "public_project_listed"),
    )
    return {
        "id": project.pk,
        "name": project.name,
        "description": "",
        "created": project.added_at,
        "owner": organization.name,
        "owner_organization_id": organization.pk,
        "owner_is_developer_profile": organization.is_personal,
        "collaborators": [],
        "labeling_method": "single_label",
        "metadata": {"externalId": project.external_id},
        "is_enterprise_project": True,
        "whitelabel_id": label.pk,
        "whitelabel_name": label.name,
        "tier": "enterprise",
        "is_public": project.is_public,
        **dict.fromkeys(unused, False),
    }
