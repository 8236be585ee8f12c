"""Contract A: the white label itself."""

from typing import Any

from django.http import HttpRequest

from metrics.api.whitelabel.doors import ONE, Id, called, reads, router, writes
from metrics.api.whitelabel.shapes import AGenericOut, Asked, Name, Said
from orgs.catalog import Scope
from orgs.commands import change_white_label
from orgs.models import Member, Organization, Project, WhiteLabel
from orgs.queries import count_now_and_then, count_or_estimate


class AWhiteLabelOut(Said):
    """What Orgdesk has; branding is absent, and so empty."""

    id: int
    name: str
    domain: str
    owner_organization_id: int | None
    theme_id: int
    identity_providers: list[str]
    allow_password_auth: bool
    allow_signup: bool
    allow_free_projects: bool
    allow_new_project_ui: bool
    deployment_targets: list[str]
    all_deployment_targets: list[str]
    supported_project_types: list[str]
    learning_blocks: list[str]
    all_learning_blocks: list[Any]
    development_boards: list[Any]
    all_development_boards: list[Any]
    organizations_limit: int | None
    custom_limits: dict[str, Any]


class AWhiteLabelInfoOut(AGenericOut):
    whitelabel: AWhiteLabelOut


class AWhiteLabelIn(Asked):
    """Only the name can change; other fields of the contract are ignored."""

    name: Name = ""


class AMetricsOut(AGenericOut):
    metrics: dict[str, int]


@router.get(ONE, **reads("The white label an organization owns", AWhiteLabelInfoOut))
def white_label(request: HttpRequest, organization_id: Id) -> Any:
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


@router.put(ONE, **writes("Change the white label", AGenericOut))
def update_white_label(
    request: HttpRequest, organization_id: Id, data: AWhiteLabelIn
) -> Any:
    found = called(request, organization_id, Scope.ORGANIZATIONS_WRITE)
    if data.name:
        change_white_label(found, name=data.name)
    return {}


@router.get(f"{ONE}/metrics", **reads("How much there is of everything", AMetricsOut))
def white_label_metrics(request: HttpRequest, organization_id: Id) -> Any:
    """Present ones; beyond 10,000 users and projects are estimates."""
    found = called(request, organization_id, Scope.ORGANIZATIONS_READ)
    present = Organization.objects.present().filter(white_label=found)
    inside = {
        "organization__white_label": found,
        "organization__deleted_at": None,
        "deleted_at": None,
    }
    metrics = {
        "organizations": count_now_and_then(
            present, name=f"organizations:{found.pk}:False"
        ),
        "users": count_or_estimate(Member.objects.filter(**inside)),
        "projects": count_or_estimate(Project.objects.filter(**inside)),
    }
    return {"metrics": metrics}
