"""Operations of contract A for one user, which is a member of an organization."""

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
    read_operation,
    router,
)
from orgs.api.white_labels.schemas import (
    AGenericOut,
    AJobsOut,
    PageIn,
    ResponseBody,
)
from orgs.catalog import Scope
from orgs.errors import NotFound
from orgs.models import Member, Project, WhiteLabel

USER = f"{WHITE_LABEL}/users/{{user_id}}"
_EMPTY = "Always empty."


class AStaffInfoOut(ResponseBody):
    """The rights of a user as staff."""

    is_staff: bool = Field(description="Whether the user is staff.", examples=[False])
    has_sudo_rights: bool = Field(description="Always false.", examples=[False])


class AUserDetailOut(ResponseBody):
    """A user: a member of one organization."""

    id: int = Field(description="The ID in Orgdesk.", examples=[7])
    username: str = Field(description="Your ID of the user.", examples=["u-1"])
    name: str = Field(
        description="The full name; may be empty.", examples=["Ada Byron"]
    )
    email: str = Field(
        description="The email address; may be empty.",
        examples=["ada@northwind.example"],
    )
    created: datetime = Field(
        description="When the user was added.", examples=["2026-11-05T09:30:00Z"]
    )
    staff_info: AStaffInfoOut = Field(description="Whether the user is staff.")
    pending: bool = Field(description="Always false.", examples=[False])
    activated: bool = Field(description="Always true.", examples=[True])
    mfa_configured: bool = Field(description="Always false.", examples=[False])
    suspended: bool = Field(description="Always false.", examples=[False])
    tier: str = Field(description="Always `enterprise`.", examples=["enterprise"])
    organization_id: int = Field(
        description="The ID of the organization of the user.", examples=[71]
    )
    organizations: list[Any] = Field(
        description="Always empty: the contract lists only one's own.", examples=[[]]
    )
    projects: list[Any] = Field(
        description="Always empty: projects belong to organizations.", examples=[[]]
    )
    experiments: list[Any] = Field(description=_EMPTY, examples=[[]])
    trials: list[Any] = Field(description=_EMPTY, examples=[[]])


class AUserInfoOut(AGenericOut):
    """A user of the white label."""

    user: AUserDetailOut = Field(description="The user.")


class AUserMetricsOut(AGenericOut):
    """Counts of a user."""

    metrics: dict[str, int] = Field(
        description="The numbers of `organizations` of the white label that have a user"
        " with the same username, and of their `projects`.",
        examples=[{"organizations": 1, "projects": 3}],
    )


@router.get(
    USER,
    **read_operation("Retrieve a user", AUserInfoOut),
    operation_id="get_white_label_user",
)
def get_user(request: HttpRequest, organization_id: Id, user_id: Id) -> Any:
    """Return a user of the white label with the ID of its organization.

    A user that was removed is not found. Usage is not recorded by user, so that there
    are no `dailyMetrics`.
    """
    label = get_white_label(request, organization_id, Scope.ORGANIZATIONS_READ)
    return {"user": _user_out(_find_user(label, user_id))}


@router.get(
    f"{USER}/metrics",
    **read_operation("Retrieve the counts of a user", AUserMetricsOut),
    operation_id="get_white_label_user_metrics",
)
def get_user_metrics(request: HttpRequest, organization_id: Id, user_id: Id) -> Any:
    """Return the numbers of a user's organizations and of their projects."""
    label = get_white_label(request, organization_id, Scope.ORGANIZATIONS_READ)
    user = _find_user(label, user_id)
    memberships = _active_users(label).filter(external_id=user.external_id)
    ids = list(memberships.values_list("organization_id", flat=True))
    projects = Project.objects.filter(organization__in=ids, deleted_at=None)
    return {"metrics": {"organizations": len(ids), "projects": projects.count()}}


@router.get(
    f"{USER}/jobs",
    **read_operation("List the jobs of a user", AJobsOut),
    operation_id="list_white_label_user_jobs",
)
def list_user_jobs(
    request: HttpRequest, organization_id: Id, user_id: Id, page: Query[PageIn]
) -> Any:
    """Return the jobs that a user started: none.

    Jobs are started with API keys and accounts, and belong to organizations, which list
    them.
    """
    label = get_white_label(request, organization_id, Scope.ORGANIZATIONS_READ)
    _find_user(label, user_id)
    return {"jobs": [], "total_job_count": 0}


def _active_users(label: WhiteLabel) -> Any:
    return Member.objects.filter(
        organization__white_label=label, organization__deleted_at=None, deleted_at=None
    )


def _find_user(label: WhiteLabel, user_id: str) -> Member:
    """Return an active user of the white label; raise `NotFound` for any other ID."""
    user: Member | None = _active_users(label).filter(pk=row_id(user_id)).first()
    if user is None:
        raise NotFound("User not found.")
    return user


def _user_out(user: Member) -> dict[str, Any]:
    return {
        "id": user.pk,
        "username": user.external_id,
        "name": user.name,
        "email": user.email,
        "created": user.added_at,
        "staff_info": {"is_staff": user.is_staff, "has_sudo_rights": False},
        "pending": False,
        "activated": True,
        "mfa_configured": False,
        "suspended": False,
        "tier": "enterprise",
        "organization_id": user.organization_id,
        **{name: [] for name in ("organizations", "projects", "experiments", "trials")},
    }
