"""Contract A: the white label itself."""

from typing import Any

from django.http import HttpRequest
from pydantic import Field

from orgs.api.white_labels.common import ONE, Id, called, reads, router, writes
from orgs.api.white_labels.schemas import AGenericOut, Asked, Name, Said
from orgs.catalog import Scope
from orgs.commands.white_labels import change_white_label
from orgs.models import Member, Organization, Project, WhiteLabel
from orgs.queries.counting import count_cached, count_or_estimate

_EMPTY = "Always empty."


class AWhiteLabelOut(Said):
    """A white label. Fields that Orgdesk does not use have fixed values."""

    id: int = Field(description="The ID in Orgdesk.")
    name: str = Field(description="The display name.")
    domain: str = Field(description=_EMPTY)
    owner_organization_id: int | None = Field(
        description="The ID of the organization that owns the white label."
    )
    theme_id: int = Field(description="Always 0.")
    identity_providers: list[str] = Field(description=_EMPTY)
    allow_password_auth: bool = Field(description="Always true.")
    allow_signup: bool = Field(description="Always false.")
    allow_free_projects: bool = Field(description="Always false.")
    allow_new_project_ui: bool = Field(description="Always false.")
    deployment_targets: list[str] = Field(description=_EMPTY)
    all_deployment_targets: list[str] = Field(description=_EMPTY)
    supported_project_types: list[str] = Field(description=_EMPTY)
    learning_blocks: list[str] = Field(description=_EMPTY)
    all_learning_blocks: list[Any] = Field(description=_EMPTY)
    development_boards: list[Any] = Field(description=_EMPTY)
    all_development_boards: list[Any] = Field(description=_EMPTY)
    organizations_limit: int | None = Field(description="Always null.")
    custom_limits: dict[str, Any] = Field(description=_EMPTY)


class AWhiteLabelInfoOut(AGenericOut):
    """A white label."""

    whitelabel: AWhiteLabelOut = Field(description="The white label.")


class AWhiteLabelIn(Asked):
    """Changes to a white label. Only the name can be changed."""

    name: Name = Field("", description="The new name.")


class AMetricsOut(AGenericOut):
    """Counts of a white label."""

    metrics: dict[str, int] = Field(
        description="The numbers of `organizations`, `users`, and `projects`."
    )


@router.get(
    ONE, **reads("Retrieve the white label of an organization", AWhiteLabelInfoOut)
)
def white_label(request: HttpRequest, organization_id: Id) -> Any:
    """Return the white label that the organization owns."""
    found = called(request, organization_id, Scope.ORGANIZATIONS_READ)
    return {"whitelabel": _out(found)}


def _out(found: WhiteLabel) -> dict[str, Any]:
    nothing = (
        "identity_providers", "deployment_targets", "all_deployment_targets",
        "supported_project_types", "learning_blocks", "all_learning_blocks",
        "development_boards", "all_development_boards",
    )  # fmt: skip
    return {
        "id": found.pk,
        "name": found.name,
        "domain": "",
        "owner_organization_id": found.owner_id,
        "theme_id": 0,
        "allow_password_auth": True,
        "allow_signup": False,
        "allow_free_projects": False,
        "allow_new_project_ui": False,
        "organizations_limit": None,
        "custom_limits": {},
        **{name: [] for name in nothing},
    }


@router.put(ONE, **writes("Update the white label", AGenericOut))
def update_white_label(
    request: HttpRequest, organization_id: Id, data: AWhiteLabelIn
) -> Any:
    """Change the name of the white label; other fields are ignored."""
    found = called(request, organization_id, Scope.ORGANIZATIONS_WRITE)
    if data.name:
        change_white_label(found, name=data.name)
    return {}


@router.get(
    f"{ONE}/metrics", **reads("Retrieve the counts of a white label", AMetricsOut)
)
def white_label_metrics(request: HttpRequest, organization_id: Id) -> Any:
    """Return the numbers of organizations, users, and projects, without deleted ones.

    Above 10,000, the numbers of users and projects are estimates.
    """
    found = called(request, organization_id, Scope.ORGANIZATIONS_READ)
    active = Organization.objects.active().filter(white_label=found)
    inside = {
        "organization__white_label": found,
        "organization__deleted_at": None,
        "deleted_at": None,
    }
    metrics = {
        "organizations": count_cached(active, name=f"organizations:{found.pk}:False"),
        "users": count_or_estimate(Member.objects.filter(**inside)),
        "projects": count_or_estimate(Project.objects.filter(**inside)),
    }
    return {"metrics": metrics}
