"""Operations of contract A for an organization's jobs, projects, keys and members."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query
from pydantic import Field

from orgs import access
from orgs.api.white_labels.common import (
    INNER,
    Id,
    get_inner_organization,
    key_scopes,
    read_operation,
    router,
    write_operation,
)
from orgs.api.white_labels.list_params import slice_page
from orgs.api.white_labels.schemas import (
    AEntityKeyOut,
    AGenericOut,
    AJobsOut,
    Name,
    PageIn,
    RequestBody,
)
from orgs.catalog import Scope
from orgs.commands import editing, keys
from orgs.commands.bootstrap import create_with_key
from orgs.commands.editing import remove_person
from orgs.errors import DomainError, NotFound
from orgs.models import Job, Member
from orgs.networks import MOST_RANGES
from orgs.queries.counting import count_or_estimate
from orgs.queries.jobs import list_jobs

AddressRange = Annotated[str, Field(max_length=50)]
_MAX_TTL_SECONDS = 100 * 365 * 86_400  # a later expiry could not be stored


class AProjectIn(RequestBody):
    """A new project of the organization. `ownerId` and `ownerEmail` are ignored."""

    project_name: Name = Field(description="The display name.")
    project_visibility: Literal["public", "private"] = Field(
        "private", description="`public` or `private`."
    )
    create_api_key: bool = Field(True, description="Whether to create an API key.")


class AApiKeyIn(RequestBody):
    """A new API key."""

    name: Name = Field(description="A name for the list of keys.")
    api_key: str | None = Field(
        None,
        min_length=32,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="Your own key text, with the prefix of all keys. Leave out to have"
        " one generated.",
    )
    role: Literal["admin", "member"] = Field(
        description="`admin` or `member`; it decides the scopes of the key."
    )
    ttl: int | None = Field(
        None,
        ge=1,
        le=_MAX_TTL_SECONDS,
        description="Seconds until the key expires; null if it never does.",
    )
    address_ranges: list[AddressRange] = Field(
        [],
        max_length=MOST_RANGES,
        description="Networks that may use the key, in CIDR notation; empty for any"
        " address.",
        examples=[["203.0.113.0/24"]],
    )


class AMemberIn(RequestBody):
    """A new member."""

    username_or_email: str = Field(
        min_length=1,
        max_length=200,
        description="Your ID of the user, or the email address.",
    )
    role: Literal["admin", "member", "guest"] = Field(
        description="`admin`, `member`, or `guest`."
    )
    datasets: list[str] = Field([], max_length=1_000, description="Ignored.")


@router.get(
    f"{INNER}/jobs",
    **read_operation(
        "List the jobs of an organization", AJobsOut, reaches_deleted=True
    ),
    operation_id="list_white_label_jobs",
)
def jobs(
    request: HttpRequest, organization_id: Id, inner_id: Id, page: Query[PageIn]
) -> Any:
    """Return the jobs, newest first, also those of a deleted organization."""
    organization = get_inner_organization(
        request,
        organization_id,
        inner_id,
        Scope.ORGANIZATIONS_READ,
        include_deleted=True,
    )
    rows = list_jobs(organization)
    return {
        "jobs": [_job(job) for job in slice_page(rows, page)],
        "total_job_count": count_or_estimate(rows),
    }


def _job(job: Job) -> dict[str, Any]:
    has_ended = job.finished_at is not None
    return {
        "id": job.pk,
        "category": Job.Kind(job.kind).label,
        "category_key": job.kind,
        "key": f"{job.kind}-{job.pk}",
        "created": job.created_at,
        "started": job.started_at,
        "finished": job.finished_at,
        "finished_successful": job.state == Job.State.DONE if has_ended else None,
        "job_notification_uids": [],
    }


@router.post(
    f"{INNER}/projects",
    **write_operation("Create a project", AEntityKeyOut),
    operation_id="create_white_label_project",
)
def create_project(
    request: HttpRequest, organization_id: Id, inner_id: Id, data: AProjectIn
) -> Any:
    """Create a project and, unless `createApiKey` is false, an API key.

    The key is for the whole organization and has the scopes of a member.
    """
    organization = get_inner_organization(
        request, organization_id, inner_id, Scope.ORGANIZATIONS_WRITE
    )
    project, text = create_with_key(
        organization,
        name=data.project_name,
        is_public=data.project_visibility == "public",
        scopes=key_scopes(request, "member") if data.create_api_key else [],
    )
    return {"id": project.pk, "api_key": text}


@router.post(
    f"{INNER}/apiKeys",
    **write_operation("Create an API key", AEntityKeyOut),
    operation_id="create_white_label_api_key",
)
def create_api_key(
    request: HttpRequest, organization_id: Id, inner_id: Id, data: AApiKeyIn
) -> Any:
    """Create an API key for this organization.

    It has the scopes of the role, limited to those of the caller.
    """
    organization = get_inner_organization(
        request, organization_id, inner_id, Scope.ORGANIZATIONS_WRITE
    )
    if data.api_key and not data.api_key.startswith(settings.API_KEY_PREFIX):
        raise DomainError(f"`apiKey` must begin with {settings.API_KEY_PREFIX}.")
    ttl = timedelta(seconds=data.ttl) if data.ttl else None
    key, text = keys.create_api_key(
        organization.white_label,
        name=data.name,
        scopes=key_scopes(request, data.role),
        organization=organization,
        expires_at=timezone.now() + ttl if ttl else None,
        address_ranges=data.address_ranges,
        text=data.api_key or "",
    )
    return {"id": key.pk, "api_key": text}


@router.post(
    f"{INNER}/members",
    **write_operation("Add a member", AGenericOut),
    operation_id="add_white_label_member",
)
def add_member(
    request: HttpRequest, organization_id: Id, inner_id: Id, data: AMemberIn
) -> Any:
    """Add a member to the organization.

    A removed member with the same name is added back. An active one is a conflict.
    """
    organization = get_inner_organization(
        request, organization_id, inner_id, Scope.ORGANIZATIONS_WRITE
    )
    name = data.username_or_email
    email = {"email": name} if "@" in name else {}
    values = {"role": data.role, **email}
    editing.add_member(organization, external_id=name, values=values)
    return {}


@router.delete(
    f"{INNER}/members/{{user_id}}",
    **write_operation("Remove a member", AGenericOut),
    operation_id="remove_white_label_member",
)
def remove_member(
    request: HttpRequest, organization_id: Id, inner_id: Id, user_id: Id
) -> Any:
    """Mark a member as removed; daily member counts of the past stay."""
    organization = get_inner_organization(
        request, organization_id, inner_id, Scope.ORGANIZATIONS_WRITE
    )
    active = Member.objects.filter(organization=organization, deleted_at=None)
    member = active.filter(pk=access.row_id(user_id)).first()
    if member is None:
        raise NotFound("User not organization.")
    remove_person(member)
    return {}
