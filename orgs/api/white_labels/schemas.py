"""Request and response bodies of contract A; request bodies are read strictly."""

from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from orgs.models import Entitlements
from orgs.schemas.numbers import PlainBool
from orgs.schemas.partial import without_defaults
from orgs.text import to_nfc_deep

_BIGINT = 2**63 - 1
_INT = 2**31 - 1


class ResponseBody(BaseModel):
    """The base of response bodies; their JSON keys are camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class RequestBody(BaseModel):
    """The base of request bodies: unknown keys are ignored, wrong types refused.

    Not a `Schema` of ninja, which accepts null or a list as an object.
    """

    model_config = ConfigDict(alias_generator=to_camel, strict=True, extra="ignore")


class AErrorOut(Schema):
    """The body of every error response of contract A."""

    success: Literal[False] = Field(False, description="Always false.")
    error: str = Field(description="What went wrong, as a sentence for people.")


class AGenericOut(ResponseBody):
    """A successful response."""

    success: Literal[True] = Field(True, description="Always true.")


class AStartJobOut(AGenericOut):
    """A job that was started."""

    id: int = Field(
        description="The ID of the job. List the jobs to see when it is done."
    )


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("Text must not contain NUL characters.")
    return text


Text = Annotated[str, StringConstraints(max_length=1_000), AfterValidator(_no_nul)]


class PageIn(Schema):
    """How many rows to return."""

    model_config = ConfigDict(alias_generator=to_camel)

    limit: int = Field(
        100, ge=1, le=1_000, description="The number of rows per page, from 1 to 1,000."
    )
    offset: int = Field(
        0, ge=0, le=1_000_000, description="The number of rows to skip."
    )


class ListIn(PageIn):
    """Which rows to return, and how many. Unknown parameters are ignored."""

    active: int | None = Field(
        None, ge=1, le=3_650, description="Only rows with usage in this many days."
    )
    include_deleted: PlainBool = Field(
        False, description="Whether deleted rows are listed."
    )
    sort: Text = Field(
        "", description="Fields to sort by, such as `id,-name`; `-` sorts descending."
    )
    filters: Text = Field(
        "", description="Filters such as `name:acme,billable:true`; all must match."
    )
    search: Text = Field("", description="Words that the name or ID must contain.")


def _round_down(value: Any) -> Any:
    """Return a number without its fraction: clients send whole numbers as `5.0`."""
    if isinstance(value, Decimal):
        if value.adjusted() > len(str(_BIGINT)):
            raise ValueError("Input should be a 64-bit number.")
        return int(value.to_integral_value(ROUND_FLOOR))
    return value


def _json_schema(kind: str, maximum: int) -> Any:
    """Return the published type of a limit."""
    number = {"type": kind, "minimum": 0, "maximum": maximum}
    return WithJsonSchema({"anyOf": [number, {"type": "null"}]})


Amount = Annotated[
    Annotated[int, Field(ge=0, le=_BIGINT)] | None,
    BeforeValidator(_round_down),
    _json_schema("number", _BIGINT),
]
Headcount = Annotated[int, Field(ge=0, le=_INT)] | None
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    BeforeValidator(to_nfc_deep, json_schema_input_type=str),  # runs first
]
Moment = Annotated[
    str,
    StringConstraints(min_length=10, max_length=40),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class AEntitlementLimits(ResponseBody):
    """Limits of an organization; null is unlimited."""

    total_storage: Amount = Field(default=None, description="Storage limit in bytes.")
    compute_time_per_year: Amount = Field(
        default=None,
        description="Limit of CPU and GPU seconds, unweighted, per contract year.",
    )
    gpu_compute_time_per_year: Amount = Field(
        default=None, description="Limit of GPU seconds per contract year."
    )
    number_of_projects: Headcount = Field(
        default=None, description="Maximum number of projects."
    )
    number_of_users: Headcount = Field(
        default=None, description="Maximum number of members."
    )


def limits_json(entitlements: Entitlements) -> dict[str, int | None]:
    """Return limits as `AEntitlementLimits`."""
    return {
        "totalStorage": entitlements.storage_bytes,
        "computeTimePerYear": entitlements.compute_seconds_per_year,
        "gpuComputeTimePerYear": entitlements.gpu_seconds_per_year,
        "numberOfProjects": entitlements.projects,
        "numberOfUsers": entitlements.users,
    }


class AEntitlementLimitsIn(AEntitlementLimits):
    """Limits of an organization. Only the limits that are sent change."""

    model_config = ConfigDict(
        **RequestBody.model_config, json_schema_extra=without_defaults
    )


class AEntityKeyOut(AGenericOut):
    """What was created, with its API key."""

    id: int = Field(description="The ID of what was created.")
    api_key: str = Field(
        description="The API key, returned only once; empty if none was requested."
    )


class AJobOut(ResponseBody):
    """A background job of an organization."""

    id: int = Field(description="The ID of the job.")
    category: str = Field(description="What the job does, as a label for people.")
    category_key: str = Field(description="`delete_organization` or `usage_report`.")
    key: str = Field(description="A unique name of the job.")
    created: datetime = Field(description="When the job was requested.")
    started: datetime | None = Field(
        description="When the job started; null if it has not."
    )
    finished: datetime | None = Field(
        description="When the job ended; null if it has not."
    )
    finished_successful: bool | None = Field(
        description="Whether the job succeeded; null until it has ended."
    )
    job_notification_uids: list[int] = Field(description="Always empty.")


class AJobsOut(AGenericOut):
    """A page of jobs."""

    jobs: list[AJobOut] = Field(description="Newest first.")
    total_job_count: int = Field(
        description="The number of jobs; exact up to 10,000, then an estimate."
    )
