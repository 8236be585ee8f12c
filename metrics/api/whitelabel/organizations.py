"""Contract A: organizations made, changed, deleted by a job, and taken back."""

from typing import Annotated, Any

from django.http import HttpRequest
from pydantic import Field, StringConstraints, WithJsonSchema

from metrics.api.whitelabel.doors import (
    INNER,
    ONE,
    Id,
    called,
    inner,
    key_scopes,
    router,
    who,
    writes,
)
from metrics.api.whitelabel.shapes import (
    AEntitlementLimitsIn,
    AEntityKeyOut,
    AGenericOut,
    Asked,
    AStartJobOut,
    Moment,
    Name,
)
from metrics.errors import InvalidDateRange
from metrics.periods import EARLIEST_DAY, LATEST_DAY, parse_day
from metrics.tasks import run_job
from orgs import commands
from orgs.catalog import Scope
from orgs.errors import Forbidden
from orgs.models import Organization
from orgs.tasks import nudge

# Credentials that a page of somebody else's cannot make a browser send.
_HEADERS = ("x-api-key", "x-jwt-token", "authorization")

_URL = r"^https?://[a-z0-9.-]+\.[a-z]{2,}(/[^\s]*)?$"
_URL_SCHEMA = {"type": "string", "maxLength": 500, "pattern": _URL}
Url = Annotated[
    Annotated[str, StringConstraints(max_length=500, pattern=r"^https?://\S+$")] | None,
    WithJsonSchema({"anyOf": [_URL_SCHEMA, {"type": "null"}]}),
]


class AOrganizationIn(Asked):
    organization_name: Name
    admin_id: int | None = Field(None, ge=1, le=2**63 - 1)
    admin_email: str | None = Field(None, min_length=1, max_length=200)


class AOrganizationChangeIn(Asked):
    """Only the fields given change; null takes a logo or header image away."""

    logo: Url = None
    header_img: Url = None
    name: Name = ""
    experiments: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(
        [], max_length=100
    )
    readme: str = Field("", max_length=100_000)
    billable: bool = True
    entitlement_limits: AEntitlementLimitsIn = AEntitlementLimitsIn()
    contract_start_date: Moment = ""
    domain: str = Field("", max_length=253)

    def values(self, organization: Organization) -> dict[str, Any]:
        """By our names."""
        found = {
            ours: getattr(self, name) or ""
            for name, ours in _TEXTS.items()
            if name in self.model_fields_set
        }
        if "experiments" in self.model_fields_set:
            found["experiments"] = self.experiments
        if "billable" in self.model_fields_set:
            found["is_billable"] = self.billable
        if self.contract_start_date:
            found["contract_started_on"] = self._contract(organization)
        return found

    def _contract(self, organization: Organization) -> Any:
        zone = organization.white_label.zone
        day = parse_day(self.contract_start_date, zone, field="contractStartDate")
        if not EARLIEST_DAY <= day < LATEST_DAY:
            raise InvalidDateRange(
                "`contractStartDate` must be between the years 2000 and 2200.",
                fields=("contractStartDate",),
            )
        return day

    def limits(self) -> dict[str, Any] | None:
        given = self.entitlement_limits.model_fields_set
        if not given:
            return None
        return {
            ours: getattr(self.entitlement_limits, name)
            for name, ours in _LIMITS.items()
            if name in given
        }


_TEXTS = {
    "logo": "logo_url",
    "header_img": "header_image_url",
    "name": "name",
    "readme": "readme",
    "domain": "domain",
}
_LIMITS = {
    "total_storage": "storage_bytes",
    "compute_time_per_year": "compute_seconds_per_year",
    "gpu_compute_time_per_year": "gpu_seconds_per_year",
    "number_of_projects": "projects",
    "number_of_users": "users",
}


@router.post(f"{ONE}/organizations", **writes("Make an organization", AEntityKeyOut))
def create_organization(
    request: HttpRequest, organization_id: Id, data: AOrganizationIn
) -> Any:
    """The key is an admin's of the new organization, with no scope its maker lacks."""
    white_label = called(request, organization_id, Scope.ORGANIZATIONS_WRITE)
    organization, text = commands.create_with_admin(
        white_label,
        name=data.organization_name,
        scopes=key_scopes(request, "admin"),
        admin_id=data.admin_id,
        admin_email=data.admin_email or "",
        created_by=who(request),
    )
    return {"id": organization.pk, "api_key": text}


@router.post(INNER, **writes("Change an organization", AGenericOut))
def update_organization(
    request: HttpRequest, organization_id: Id, inner_id: Id, data: AOrganizationChangeIn
) -> Any:
    """A moved contract date re-bases the contract's totals."""
    found = inner(request, organization_id, inner_id, Scope.ORGANIZATIONS_WRITE)
    commands.change_organization(found, data.values(found), data.limits())
    return {}


@router.delete(INNER, **writes("Delete an organization", AStartJobOut))
def delete_organization(request: HttpRequest, organization_id: Id, inner_id: Id) -> Any:
    """By a job, and so that `restore` takes it back. A white label's owner stays."""
    found = inner(request, organization_id, inner_id, Scope.ORGANIZATIONS_WRITE)
    job = commands.start_deletion(found, created_by=who(request))
    nudge(run_job, job.pk)
    return {"id": job.pk}


@router.get(
    f"{INNER}/restore",
    **writes("Restore an organization", AGenericOut, reaches_deleted=True),
)
def restore_organization(
    request: HttpRequest, organization_id: Id, inner_id: Id
) -> Any:
    """A GET that writes, as the clients want it; so never by a cookie.

    Ends a deletion still to come.
    """
    if not any(request.headers.get(name) for name in _HEADERS):
        raise Forbidden(
            "Send the credential in a header; cookies are not accepted here."
        )
    found = inner(
        request,
        organization_id,
        inner_id,
        Scope.ORGANIZATIONS_WRITE,
        include_deleted=True,
    )
    commands.restore_organization(found)
    return {}
