"""Operations of contract A that create, change, delete and restore organizations."""

from typing import Annotated, Any

from django.http import HttpRequest
from pydantic import ConfigDict, Field, StringConstraints, WithJsonSchema

from orgs.access.own_requests import has_header_credential
from orgs.api.white_labels.common import (
    INNER,
    WHITE_LABEL,
    Id,
    caller_name,
    get_inner_organization,
    get_white_label,
    key_scopes,
    router,
    write_operation,
)
from orgs.api.white_labels.schemas import (
    AEntitlementLimitsIn,
    AEntityKeyOut,
    AGenericOut,
    AStartJobOut,
    Moment,
    Name,
    RequestBody,
)
from orgs.catalog import Scope
from orgs.commands import editing
from orgs.commands.bootstrap import create_with_admin
from orgs.commands.editing import change_organization
from orgs.commands.jobs import start_deletion
from orgs.days import EARLIEST_DAY, LATEST_DAY, parse_day
from orgs.errors import Forbidden, InvalidDateRange
from orgs.models import Organization
from orgs.queue.enqueue import enqueue
from orgs.schemas.partial import without_defaults
from orgs.tasks import run_job

_URL = r"^https?://[a-z0-9.-]+\.[a-z]{2,}(/[^\s]*)?$"
_URL_SCHEMA = {"type": "string", "maxLength": 500, "pattern": _URL}
Url = Annotated[
    Annotated[str, StringConstraints(max_length=500, pattern=r"^https?://\S+$")] | None,
    WithJsonSchema({"anyOf": [_URL_SCHEMA, {"type": "null"}]}),
]


class AOrganizationIn(RequestBody):
    """A new organization and its admin."""

    organization_name: Name = Field(description="The display name.")
    admin_id: int | None = Field(
        None,
        ge=1,
        le=2**63 - 1,
        description="The ID of the user of the white label who becomes its admin.",
    )
    admin_email: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="The email address of the admin, if `adminId` is not sent.",
    )


class AOrganizationChangeIn(RequestBody):
    """Changes to an organization. Only the fields that are sent change."""

    model_config = ConfigDict(json_schema_extra=without_defaults, extra="forbid")

    logo: Url = Field(None, description="The URL of the logo; null removes it.")
    header_img: Url = Field(
        None, description="The URL of the header image; null removes it."
    )
    name: Name = Field("", description="The display name.")
    experiments: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(
        [], max_length=100, description="The enabled experiments."
    )
    readme: str = Field("", max_length=100_000, description="The readme text.")
    billable: bool = Field(
        True, description="Whether the organization is charged for its usage."
    )
    entitlement_limits: AEntitlementLimitsIn = Field(
        AEntitlementLimitsIn(), description="The limits to set."
    )
    contract_start_date: Moment = Field(
        "", description="The day the contract starts in the white label's time zone."
    )
    domain: str = Field("", max_length=253, description="The domain.")

    def values(self, organization: Organization) -> dict[str, Any]:
        """Return the fields that were sent, by the names of the model's fields."""
        values = {
            field: getattr(self, name) or ""
            for name, field in _TEXT_FIELDS.items()
            if name in self.model_fields_set
        }
        if "experiments" in self.model_fields_set:
            values["experiments"] = self.experiments
        if "billable" in self.model_fields_set:
            values["is_billable"] = self.billable
        if self.contract_start_date:
            values["contract_started_on"] = self._contract_start(organization)
        return values

    def _contract_start(self, organization: Organization) -> Any:
        zone = organization.white_label.zone
        day = parse_day(self.contract_start_date, zone, field="contractStartDate")
        if not EARLIEST_DAY <= day < LATEST_DAY:
            raise InvalidDateRange(
                "`contractStartDate` must be between the years 2000 and 2200.",
                fields=("contractStartDate",),
            )
        return day

    def limits(self) -> dict[str, Any] | None:
        """Return the limits that were sent, by the names of the model's fields."""
        sent_names = self.entitlement_limits.model_fields_set
        if not sent_names:
            return None
        return {
            field: getattr(self.entitlement_limits, name)
            for name, field in _LIMIT_FIELDS.items()
            if name in sent_names
        }


# Names of the contract, and the fields of the models that hold them.
_TEXT_FIELDS = {
    "logo": "logo_url",
    "header_img": "header_image_url",
    "name": "name",
    "readme": "readme",
    "domain": "domain",
}
_LIMIT_FIELDS = {
    "total_storage": "storage_bytes",
    "compute_time_per_year": "compute_seconds_per_year",
    "gpu_compute_time_per_year": "gpu_seconds_per_year",
    "number_of_projects": "projects",
    "number_of_users": "users",
}


@router.post(
    f"{WHITE_LABEL}/organizations",
    **write_operation("Create an organization", AEntityKeyOut),
    operation_id="create_white_label_organization",
)
def create_organization(
    request: HttpRequest, organization_id: Id, data: AOrganizationIn
) -> Any:
    """Create an organization with an admin and an API key for it.

    The key has the scopes of an admin, limited to those of the caller.
    """
    white_label = get_white_label(request, organization_id, Scope.ORGANIZATIONS_WRITE)
    organization, text = create_with_admin(
        white_label,
        name=data.organization_name,
        scopes=key_scopes(request, "admin"),
        admin_id=data.admin_id,
        admin_email=data.admin_email or "",
        created_by=caller_name(request),
    )
    return {"id": organization.pk, "api_key": text}


@router.post(
    INNER,
    **write_operation("Update an organization", AGenericOut),
    operation_id="update_white_label_organization",
)
def update_organization(
    request: HttpRequest, organization_id: Id, inner_id: Id, data: AOrganizationChangeIn
) -> Any:
    """Change the fields that are sent; the others keep their values.

    Changing `contractStartDate` recalculates the totals of the contract.
    """
    organization = get_inner_organization(
        request, organization_id, inner_id, Scope.ORGANIZATIONS_WRITE
    )
    change_organization(organization, data.values(organization), data.limits())
    return {}


@router.delete(
    INNER,
    **write_operation("Delete an organization", AStartJobOut),
    operation_id="delete_white_label_organization",
)
def delete_organization(request: HttpRequest, organization_id: Id, inner_id: Id) -> Any:
    """Start a job that marks the organization as deleted; its usage is kept.

    `restore` reverts the deletion. The organization that owns the white label can't be
    deleted.
    """
    organization = get_inner_organization(
        request, organization_id, inner_id, Scope.ORGANIZATIONS_WRITE
    )
    job = start_deletion(organization, created_by=caller_name(request))
    enqueue(run_job, job.pk)
    return {"id": job.pk}


@router.get(
    f"{INNER}/restore",
    **write_operation("Restore an organization", AGenericOut, reaches_deleted=True),
    operation_id="restore_white_label_organization",
)
def restore_organization(
    request: HttpRequest, organization_id: Id, inner_id: Id
) -> Any:
    """Restore a deleted organization and cancel a pending deletion.

    Because this GET request changes data, it accepts no cookies: send the credential in
    a header.
    """
    if not has_header_credential(request):
        raise Forbidden(
            "Send the credential in a header; cookies are not accepted here."
        )
    organization = get_inner_organization(
        request,
        organization_id,
        inner_id,
        Scope.ORGANIZATIONS_WRITE,
        include_deleted=True,
    )
    editing.restore_organization(organization)
    return {}
