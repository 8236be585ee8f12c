"""Request and response bodies of organizations, members, and projects."""

from datetime import date, datetime
from typing import Annotated, Any

from ninja import Schema
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field

from orgs.models import Entitlements, Member, Organization, Project
from orgs.models.fields import EARLIEST, LATEST
from orgs.schemas.partial import without_defaults
from orgs.text import to_nfc_deep

MAX_BIGINT = 2**63 - 1
MAX_INT = 2**31 - 1

# Descriptions of fields that are both sent and returned.
_EXTERNAL_ID = "Your ID of the organization; unique in its white label."
_USER_ID = "Your ID of the user; unique in the organization."
_PROJECT_ID = "Your ID of the project; unique in the organization."
_BILLING_EMAIL = "The email address for invoices and alerts; may be empty."
_CONTRACT = (
    "The first day of the contract in the white label's time zone. Contract totals"
    " count from this day; null counts from the day of creation."
)
_IS_ACTIVE = "Whether the organization has access."
_IS_BILLABLE = "Whether the organization is charged for its usage."
_IS_STAFF = "Whether the member is counted as staff."
_STORAGE = "Storage limit in bytes; null is unlimited."
_COMPUTE = (
    "Limit of CPU and GPU seconds, unweighted, per contract year; null is unlimited."
)
_GPU = "Limit of GPU seconds per contract year; null is unlimited."
_PROJECTS = "Maximum number of projects; null is unlimited."
_USERS = "Maximum number of members; null is unlimited."
_NEXT_CURSOR = "The cursor of the next page; null on the last page."


def _instant(value: object) -> object:
    """Parse an RFC 3339 time; one without an offset is refused, as is a number."""
    if value is None or not isinstance(value, str):
        return value
    return datetime.fromisoformat(value)


def _day(value: object) -> object:
    return date.fromisoformat(value) if isinstance(value, str) else value


def _check_years(instant: datetime) -> datetime:
    """Return an instant that the tables can hold; raise `ValueError` for others."""
    if not EARLIEST <= instant < LATEST:
        raise ValueError("The time must be between the years 2000 and 2200")
    return instant


Instant = Annotated[
    AwareDatetime, BeforeValidator(_instant), AfterValidator(_check_years)
]
Day = Annotated[date, BeforeValidator(_day)]
# The last validator runs first: normal form C may be longer than what was sent.
_Normalized = BeforeValidator(to_nfc_deep, json_schema_input_type=str)
Text = Annotated[str, Field(min_length=1, max_length=200), _Normalized]
OptionalText = Annotated[str, Field(max_length=200), _Normalized]
Email = Annotated[str, Field(max_length=254), _Normalized]
Limit = Annotated[int, Field(ge=0, le=MAX_BIGINT)]
Count = Annotated[int, Field(ge=0, le=MAX_INT)]


class StrictSchema(Schema):
    """The base of request bodies: no type conversion, no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid")

    def given(self) -> dict[str, Any]:
        """Return only the fields that were sent; an absent field is not null."""
        return self.dict(exclude_unset=True)


class EntitlementsIn(StrictSchema):
    """Limits of an organization. Only the limits that are sent change."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    storage_bytes: Limit | None = Field(None, description=_STORAGE)
    compute_seconds_per_year: Limit | None = Field(None, description=_COMPUTE)
    gpu_seconds_per_year: Limit | None = Field(None, description=_GPU)
    projects: Count | None = Field(None, description=_PROJECTS)
    users: Count | None = Field(None, description=_USERS)


class OrganizationChangeIn(StrictSchema):
    """Changes to an organization. Only the fields that are sent change."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    external_id: Text = Field("", description=_EXTERNAL_ID)
    name: Text = Field("", description="The display name.")
    billing_email: Email = Field("", description=_BILLING_EMAIL)
    contract_started_on: Day | None = Field(None, description=_CONTRACT)
    rate_limit: Annotated[int, Field(ge=1, le=MAX_INT)] | None = Field(
        None,
        description="API requests per minute; null applies the white label's default.",
    )
    is_active: bool = Field(True, description=_IS_ACTIVE)
    is_billable: bool = Field(True, description=_IS_BILLABLE)
    entitlements: EntitlementsIn | None = Field(
        None, description="The limits to set; null is not accepted."
    )


class OrganizationIn(OrganizationChangeIn):
    """A new organization."""

    external_id: Text = Field(description=_EXTERNAL_ID)
    name: Text = Field(description="The display name.")


class EntitlementsOut(Schema):
    """Limits of an organization."""

    storage_bytes: int | None = Field(description=_STORAGE)
    compute_seconds_per_year: int | None = Field(description=_COMPUTE)
    gpu_seconds_per_year: int | None = Field(description=_GPU)
    projects: int | None = Field(description=_PROJECTS)
    users: int | None = Field(description=_USERS)


class WhiteLabelOut(Schema):
    """The white label of an organization."""

    slug: str = Field(description="The short name in URLs and commands.")
    owner_id: int | None = Field(
        description="The ID of the organization that owns the white label."
    )


class OrganizationOut(Schema):
    """An organization, as lists show it."""

    id: int = Field(description="The ID in Orgdesk.")
    external_id: str = Field(description=_EXTERNAL_ID)
    name: str = Field(description="The display name.")
    is_active: bool = Field(description=_IS_ACTIVE)
    deleted_at: AwareDatetime | None = Field(
        description="When the organization was deleted; null if it is not."
    )
    white_label: WhiteLabelOut = Field(description="The white label it belongs to.")


class OrganizationDetailOut(OrganizationOut):
    """An organization with its settings and entitlements."""

    billing_email: str = Field(description=_BILLING_EMAIL)
    contract_started_on: date | None = Field(description=_CONTRACT)
    rate_limit: int = Field(description="API requests per minute.")
    is_billable: bool = Field(description=_IS_BILLABLE)
    created_at: AwareDatetime = Field(description="When it was created.")
    updated_at: AwareDatetime = Field(description="When it was last changed.")
    entitlements: EntitlementsOut = Field(description="Its limits; null is unlimited.")


class OrganizationsOut(Schema):
    """A page of organizations."""

    organizations: list[OrganizationOut] = Field(description="Ordered by ID.")
    next_cursor: str | None = Field(description=_NEXT_CURSOR)


class MemberChangeIn(StrictSchema):
    """Changes to a member. Only the fields that are sent change."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    email: Email = Field("", description="The email address.")
    name: OptionalText = Field("", description="The full name.")
    role: str = Field(
        "member",
        pattern="^(admin|member|guest)$",
        description="`admin`, `member`, or `guest`.",
    )
    is_staff: bool = Field(False, description=_IS_STAFF)


class MemberIn(MemberChangeIn):
    """A new member."""

    external_id: Text = Field(description=_USER_ID)
    added_at: Instant | None = Field(
        None, description="When the member was added; defaults to now."
    )


class MemberOut(Schema):
    """A member of an organization."""

    id: int = Field(description="The ID in Orgdesk.")
    external_id: str = Field(description=_USER_ID)
    email: str = Field(description="The email address; may be empty.")
    name: str = Field(description="The full name; may be empty.")
    role: str = Field(description="`admin`, `member`, or `guest`.")
    is_staff: bool = Field(description=_IS_STAFF)
    added_at: AwareDatetime = Field(description="When the member was added.")
    deleted_at: AwareDatetime | None = Field(
        description="When the member was removed; null if active."
    )


class MembersOut(Schema):
    """A page of members."""

    members: list[MemberOut] = Field(description="Ordered by ID.")
    next_cursor: str | None = Field(description=_NEXT_CURSOR)


class ProjectChangeIn(StrictSchema):
    """Changes to a project. Only the fields that are sent change."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    name: Text = Field("", description="The display name.")
    is_public: bool = Field(False, description="Whether the project is public.")


class ProjectIn(ProjectChangeIn):
    """A new project."""

    external_id: Text = Field(description=_PROJECT_ID)
    added_at: Instant | None = Field(
        None, description="When the project was added; defaults to now."
    )


class ProjectOut(Schema):
    """A project of an organization."""

    id: int = Field(description="The ID in Orgdesk.")
    external_id: str = Field(description=_PROJECT_ID)
    name: str = Field(description="The display name.")
    is_public: bool = Field(description="Whether the project is public.")
    added_at: AwareDatetime = Field(description="When the project was added.")
    deleted_at: AwareDatetime | None = Field(
        description="When the project was deleted; null if active."
    )


class ProjectsOut(Schema):
    """A page of projects."""

    projects: list[ProjectOut] = Field(description="Ordered by ID.")
    next_cursor: str | None = Field(description=_NEXT_CURSOR)


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
