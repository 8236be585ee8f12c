"""What contract A takes and gives, field by field; bodies are read strictly."""

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

_BIGINT = 2**63 - 1
_INT = 2**31 - 1


class Said(BaseModel):
    """Answers: camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Asked(BaseModel):
    """Bodies: unknown keys are ignored, wrong types are not.

    Not ninja's `Schema`, which takes null or a list for an object without attributes.
    """

    model_config = ConfigDict(alias_generator=to_camel, strict=True, extra="ignore")


class AErrorOut(Schema):
    """Every refusal of this contract."""

    success: Literal[False] = False
    error: str = Field(description="A sentence for a person.")


class AGenericOut(Said):
    success: Literal[True] = True


class AStartJobOut(AGenericOut):
    id: int = Field(description="The job; `…/jobs` says when it is done.")


# --- queries ----------------------------------------------------------------------


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("Text must not contain NUL characters.")
    return text


Text = Annotated[str, StringConstraints(max_length=1_000), AfterValidator(_no_nul)]


class PageIn(Schema):
    model_config = ConfigDict(alias_generator=to_camel)

    limit: int = Field(100, ge=1, le=1_000)
    offset: int = Field(0, ge=0, le=1_000_000)


class ListIn(PageIn):
    """Unknown parameters are ignored."""

    active: int | None = Field(
        None, ge=1, le=3_650, description="Only those with usage in so many days."
    )
    include_deleted: bool = False
    sort: Text = Field("", description="Fields in order, as in `id,-name`.")
    filters: Text = Field("", description="`field:value,…`; all must hold.")
    search: Text = ""


# --- numbers of bodies ------------------------------------------------------------


def _whole(value: Any) -> Any:
    """Clients send whole numbers as `5.0`, too; parts of a byte are dropped."""
    if isinstance(value, Decimal):
        if value.adjusted() > len(str(_BIGINT)):
            raise ValueError("Input should be a 64-bit number.")
        return int(value.to_integral_value(ROUND_FLOOR))
    return value


def _limit(kind: str, maximum: int) -> Any:
    number = {"type": kind, "minimum": 0, "maximum": maximum}
    return WithJsonSchema({"anyOf": [number, {"type": "null"}]})


Amount = Annotated[
    Annotated[int, Field(ge=0, le=_BIGINT)] | None,
    BeforeValidator(_whole),
    _limit("number", _BIGINT),
]
Heads = Annotated[int, Field(ge=0, le=_INT)] | None
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)
]
Moment = Annotated[
    str,
    StringConstraints(min_length=10, max_length=40),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class AEntitlementLimits(Said):
    """Null is no limit; storage in bytes, compute in plain CPU + GPU seconds a year."""

    total_storage: Amount = None
    compute_time_per_year: Amount = None
    gpu_compute_time_per_year: Amount = None
    number_of_projects: Heads = None
    number_of_users: Heads = None


class AEntitlementLimitsIn(AEntitlementLimits):
    """Only the limits given change."""

    model_config = Asked.model_config


class AEntityKeyOut(AGenericOut):
    id: int
    api_key: str = Field(description="Shown once; empty when none was asked for.")


class AJobOut(Said):
    id: int
    category: str
    category_key: str
    key: str
    created: datetime
    started: datetime | None
    finished: datetime | None
    finished_successful: bool | None
    job_notification_uids: list[int]


class AJobsOut(AGenericOut):
    jobs: list[AJobOut]
    total_job_count: int
