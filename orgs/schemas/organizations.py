"""Organizations and their people, in and out."""

from datetime import date, datetime
from typing import Annotated, Any

from ninja import Schema
from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field

from orgs.models import Entitlements, Member, Organization, Project

MAX_BIGINT = 2**63 - 1
MAX_INT = 2**31 - 1


def _instant(value: object) -> object:
    """RFC 3339 with an offset; numbers and naive times are guesses and refused."""
    if value is None or not isinstance(value, str):
        return value
    return datetime.fromisoformat(value)


def _day(value: object) -> object:
    return date.fromisoformat(value) if isinstance(value, str) else value


Instant = Annotated[AwareDatetime, BeforeValidator(_instant)]
Day = Annotated[date, BeforeValidator(_day)]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Limit = Annotated[int, Field(ge=0, le=MAX_BIGINT)]
Count = Annotated[int, Field(ge=0, le=MAX_INT)]


class StrictSchema(Schema):
    """What a caller writes: types as they are, nothing unknown."""

    model_config = ConfigDict(strict=True, extra="forbid")

    def given(self) -> dict[str, Any]:
        """Only the fields that were sent; absent is not null."""
        return self.dict(exclude_unset=True)


class EntitlementsIn(StrictSchema):
    """Null is no limit."""

    storage_bytes: Limit | None = None
    compute_seconds_per_year: Limit | None = None
    gpu_seconds_per_year: Limit | None = None
    projects: Count | None = None
    users: Count | None = None


class OrganizationChangeIn(StrictSchema):
    """Only the fields given change."""

    external_id: Text = ""
    name: Text = ""
    billing_email: str = Field("", max_length=254)
    contract_started_on: Day | None = None
    rate_limit: Annotated[int, Field(ge=1, le=MAX_INT)] | None = None
    is_active: bool = True
    is_billable: bool = True
    entitlements: EntitlementsIn | None = None


class OrganizationIn(OrganizationChangeIn):
    """A new organization."""

    external_id: Text
    name: Text


class EntitlementsOut(Schema):
    storage_bytes: int | None
    compute_seconds_per_year: int | None
    gpu_seconds_per_year: int | None
    projects: int | None
    users: int | None


class WhiteLabelOut(Schema):
    slug: str
    owner_id: int | None


class OrganizationOut(Schema):
    id: int
    external_id: str
    name: str
    is_active: bool
    deleted_at: AwareDatetime | None
    white_label: WhiteLabelOut


class OrganizationDetailOut(OrganizationOut):
    billing_email: str
    contract_started_on: date | None
    rate_limit: int = Field(description="Calls per minute in force.")
    is_billable: bool
    created_at: AwareDatetime
    updated_at: AwareDatetime
    entitlements: EntitlementsOut


class OrganizationsOut(Schema):
    organizations: list[OrganizationOut]
    next_cursor: str | None


class MemberChangeIn(StrictSchema):
    email: str = Field("", max_length=254)
    name: str = Field("", max_length=200)
    role: str = Field("member", pattern="^(admin|member|guest)$")
    is_staff: bool = False


class MemberIn(MemberChangeIn):
    external_id: Text
    added_at: Instant | None = None


class MemberOut(Schema):
    id: int
    external_id: str
    email: str
    name: str
    role: str
    is_staff: bool
    added_at: AwareDatetime
    deleted_at: AwareDatetime | None


class MembersOut(Schema):
    members: list[MemberOut]
    next_cursor: str | None


class ProjectChangeIn(StrictSchema):
    name: Text = ""
    is_public: bool = False


class ProjectIn(ProjectChangeIn):
    external_id: Text
    added_at: Instant | None = None


class ProjectOut(Schema):
    id: int
    external_id: str
    name: str
    is_public: bool
    added_at: AwareDatetime
    deleted_at: AwareDatetime | None


class ProjectsOut(Schema):
    projects: list[ProjectOut]
    next_cursor: str | None


def organization_out(organization: Organization) -> dict[str, Any]:
    return {
        "id": organization.pk,
        "external_id": organization.external_id,
        "name": organization.name,
        "is_active": organization.is_active,
        "deleted_at": organization.deleted_at,
        "white_label": {
            "slug": organization.white_label.slug,
            "owner_id": organization.white_label.owner_id,
        },
    }


def organization_detail_out(
    organization: Organization, entitlements: Entitlements
) -> dict[str, Any]:
    limit = organization.rate_limit or organization.white_label.default_rate_limit
    return {
        **organization_out(organization),
        "billing_email": organization.billing_email,
        "contract_started_on": organization.contract_started_on,
        "rate_limit": limit,
        "is_billable": organization.is_billable,
        "created_at": organization.created_at,
        "updated_at": organization.updated_at,
        "entitlements": {
            name: getattr(entitlements, name) for name in EntitlementsOut.model_fields
        },
    }


def member_out(member: Member) -> dict[str, Any]:
    return {name: getattr(member, name) for name in MemberOut.model_fields}


def project_out(project: Project) -> dict[str, Any]:
    return {name: getattr(project, name) for name in ProjectOut.model_fields}
