"""Operations of contract A on the white label itself."""

from typing import Any

from django.http import HttpRequest
from pydantic import ConfigDict, Field

from orgs.api.white_labels.common import (
    WHITE_LABEL,
    Id,
    get_white_label,
    read_operation,
    router,
    write_operation,
)
from orgs.api.white_labels.schemas import AGenericOut, Name, RequestBody, ResponseBody
from orgs.catalog import Scope
from orgs.commands.white_labels import change_white_label
from orgs.models import Member, Organization, Project, WhiteLabel
from orgs.queries.counting import count_cached, count_or_estimate
from orgs.schemas.partial import without_defaults

_EMPTY = "Always empty."


class AWhiteLabelOut(ResponseBody):
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


class AWhiteLabelIn(RequestBody):
    """Changes to a white label. Only the name can be changed."""

    model_config = ConfigDict(json_schema_extra=without_defaults, extra="forbid")

    name: Name = Field("", description="The new name.")


class AMetricsOut(AGenericOut):
    """Counts of a white label."""

    metrics: dict[str, int] = Field(
        description="The numbers of `organizations`, `users`, and `projects`."
    )


@router.get(
    WHITE_LABEL,
    **read_operation("Retrieve the white label of an organization", AWhiteLabelInfoOut),
    operation_id="get_white_label",
)
def white_label(request: HttpRequest, organization_id: Id) -> Any:
    """Return the white label that the organization owns."""
    owned = get_white_label(request, organization_id, Scope.ORGANIZATIONS_READ)
    return {"whitelabel": _white_label_out(owned)}


def _white_label_out(white_label: WhiteLabel) -> dict[str, Any]:
    empty_lists = (
        "identity_providers", "deployment_targets", "all_deployment_targets",
        "supported_project_types", "learning_blocks", "all_learning_blocks",
        "development_boards", "all_development_boards",
    )  # fmt: skip
    return {
        "id": white_label.pk,
        "name": white_label.name,
        "domain": "",
        "owner_organization_id": white_label.owner_id,
        "theme_id": 0,
        "allow_password_auth": True,
        "allow_signup": False,
        "allow_free_projects": False,
        "allow_new_project_ui": False,
        "organizations_limit": None,
        "custom_limits": {},
        **{name: [] for name in empty_lists},
    }


@router.put(WHITE_LABEL, **write_operation("Update the white label", AGenericOut))
def update_white_label(
    request: HttpRequest, organization_id: Id, data: AWhiteLabelIn
) -> Any:
    """Change the name of the white label; other fields are refused."""
    owned = get_white_label(request, organization_id, Scope.ORGANIZATIONS_WRITE)
    if data.name:
        change_white_label(owned, name=data.name)
    return {}


@router.get(
    f"{WHITE_LABEL}/metrics",
    **read_operation("Retrieve the counts of a white label", AMetricsOut),
    operation_id="get_white_label_metrics",
)
def white_label_metrics(request: HttpRequest, organization_id: Id) -> Any:
    """Return the numbers of organizations, users, and projects, without deleted ones.

    Above 10,000, the numbers of users and projects are estimates.
    """
    owned = get_white_label(request, organization_id, Scope.ORGANIZATIONS_READ)
    active = Organization.objects.active().filter(white_label=owned)
    is_active = {
        "organization__white_label": owned,
        "organization__deleted_at": None,
        "deleted_at": None,
    }
    metrics = {
        "organizations": count_cached(active, name=f"organizations:{owned.pk}:False"),
        "users": count_or_estimate(Member.objects.filter(**is_active)),
        "projects": count_or_estimate(Project.objects.filter(**is_active)),
    }
    return {"metrics": metrics}
