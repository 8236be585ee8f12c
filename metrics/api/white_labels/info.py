"""Contract A's main operation: totals of an organization and its last 365 days.

Clients call it often, so the answer is written straight to bytes, without a schema.
Integers are written as integers, however large: the clients do not accept `10.0`.
"""

from datetime import datetime
from typing import Annotated, Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query
from pydantic import Field

from metrics.queries.daily_metrics import DayMetrics, contract_start, daily_metrics
from orgs.api.white_labels.common import (
    INNER,
    Id,
    get_inner_organization,
    read_operation,
    router,
)
from orgs.api.white_labels.schemas import (
    AEntitlementLimits,
    AGenericOut,
    ResponseBody,
    limits_json,
)
from orgs.catalog import Scope
from orgs.days import day_of, first_instant
from orgs.models import Organization
from orgs.queries.references import get_entitlements
from orgs.schemas.numbers import PlainBool


class ADailyMetricsOut(ResponseBody):
    """Metrics of one day in the white label's time zone; totals are as of its end."""

    date: datetime = Field(description="The day, as midnight UTC.")
    total_users: int = Field(description="Members; 0 for a personal organization.")
    total_staff_users: int = Field(
        description="Members that are staff; 0 for a personal organization."
    )
    total_projects: int = Field(description="Projects.")
    total_current_contract_cpu_compute_time_seconds: int = Field(
        description="CPU seconds since the contract started."
    )
    total_current_contract_gpu_compute_time_seconds: int = Field(
        description="GPU seconds since the contract started."
    )
    total_current_contract_compute_time_seconds: int = Field(
        description="CPU seconds plus weighted GPU seconds since the contract started."
        " The GPU weight is a setting of the white label and defaults to 3."
    )
    compute_time_calculated_since: datetime = Field(
        description="Start of the contract, or of the day of creation if there is none."
    )
    total_storage_size_bytes: int = Field(description="Bytes stored.")
    users_added: int = Field(description="Members added on this day.")
    staff_users_added: int = Field(description="Staff members added on this day.")
    users_deleted: int = Field(description="Members removed on this day.")
    staff_users_deleted: int = Field(description="Staff members removed on this day.")
    projects_added: int = Field(description="Projects added on this day.")
    projects_deleted: int = Field(description="Projects deleted on this day.")
    cpu_compute_time_seconds: int = Field(description="CPU seconds of this day.")
    gpu_compute_time_seconds: int = Field(description="GPU seconds of this day.")
    compute_time_seconds: int = Field(
        description="CPU seconds plus weighted GPU seconds of this day."
    )
    storage_bytes_added: int = Field(description="Bytes added on this day.")
    storage_bytes_deleted: int = Field(description="Bytes deleted on this day.")


class AInfoOut(AGenericOut):
    """An organization's totals, entitlements, and daily metrics."""

    cpu_compute_time: int = Field(description="CPU seconds since the contract started.")
    gpu_compute_time: int = Field(description="GPU seconds since the contract started.")
    total_compute_time: float = Field(
        description="CPU plus GPU minutes, unweighted, since the contract started."
    )
    billable: bool = Field(
        description="Whether the organization is charged for its usage."
    )
    entitlement_limits: AEntitlementLimits = Field(
        description="The limits of the organization."
    )
    compute_time_current_contract_since: datetime = Field(
        description="Start of the contract, or of the day of creation if there is none."
    )
    total_storage: int = Field(description="Bytes stored.")
    daily_metrics: list[ADailyMetricsOut] = Field(
        description="The last 365 days including today, oldest first."
    )
    extension_blocks: list[Any] = Field(description="Always empty.")
    extension_settings: dict[str, Any] = Field(description="Always empty.")


Deleted = Annotated[
    PlainBool,
    Query(
        False,
        alias="includeDeleted",
        description="Whether a deleted organization is returned instead of a 404.",
    ),
]


@router.get(
    INNER,
    **read_operation("Retrieve an organization's totals and daily metrics", AInfoOut),
    operation_id="get_white_label_organization",
)
def info(
    request: HttpRequest,
    organization_id: Id,
    inner_id: Id,
    include_deleted: Deleted = False,
) -> HttpResponse:
    """Return the totals, entitlements, and last 365 days of an organization.

    A deleted organization is returned only with `includeDeleted`.
    """
    organization = get_inner_organization(
        request,
        organization_id,
        inner_id,
        Scope.ORGANIZATIONS_READ,
        include_deleted=include_deleted,
    )
    return HttpResponse(info_body(organization), content_type="application/json")


def info_body(organization: Organization) -> bytes:
    """Return `AInfoOut` as JSON; two queries."""
    zone = organization.white_label.zone
    days = daily_metrics(organization, last=day_of(timezone.now(), zone))
    since = format_instant(first_instant(contract_start(organization), zone))
    today = days[-1]
    cpu, gpu = today.total_contract_cpu_seconds, today.total_contract_gpu_seconds
    body = {
        "success": True,
        "cpuComputeTime": _integer(cpu),
        "gpuComputeTime": _integer(gpu),
        "totalComputeTime": (cpu + gpu) / 60,
        "billable": organization.is_billable,
        "entitlementLimits": limits_json(get_entitlements(organization)),
        "computeTimeCurrentContractSince": since,
        "totalStorage": _integer(today.total_storage_bytes),
        "dailyMetrics": orjson.Fragment(_days(organization, days, since)),
        "extensionBlocks": [],
        "extensionSettings": {},
    }
    return orjson.dumps(body)


# One day as JSON, a template for speed: an answer has 365 days.
_DAY = b"""{"date":"%sT00:00:00Z","computeTimeCalculatedSince":"%s",\
"totalUsers":%d,"totalStaffUsers":%d,"totalProjects":%d,\
"totalCurrentContractCpuComputeTimeSeconds":%d,\
"totalCurrentContractGpuComputeTimeSeconds":%d,\
"totalCurrentContractComputeTimeSeconds":%d,"totalStorageSizeBytes":%d,\
"usersAdded":%d,"staffUsersAdded":%d,"usersDeleted":%d,"staffUsersDeleted":%d,\
"projectsAdded":%d,"projectsDeleted":%d,\
"cpuComputeTimeSeconds":%d,"gpuComputeTimeSeconds":%d,"computeTimeSeconds":%d,\
"storageBytesAdded":%d,"storageBytesDeleted":%d}"""


def _days(organization: Organization, days: list[DayMetrics], since: str) -> bytes:
    rows = [_day(day, since.encode(), organization.is_personal) for day in days]
    return b"[%s]" % b",".join(rows)


def _day(day: DayMetrics, since: bytes, is_personal: bool) -> bytes:
    return _DAY % (
        day.day.isoformat().encode(),
        since,
        0 if is_personal else day.total_members,
        0 if is_personal else day.total_staff,
        day.total_projects,
        day.total_contract_cpu_seconds,
        day.total_contract_gpu_seconds,
        day.total_contract_compute_seconds,
        day.total_storage_bytes,
        day.members_added,
        day.staff_added,
        day.members_deleted,
        day.staff_deleted,
        day.projects_added,
        day.projects_deleted,
        day.cpu_seconds,
        day.gpu_seconds,
        day.compute_seconds,
        day.storage_bytes_added,
        day.storage_bytes_deleted,
    )


def _integer(value: int) -> orjson.Fragment:
    """Return a JSON integer; sums may exceed the 64 bits that orjson can write."""
    return orjson.Fragment(str(value))


def format_instant(instant: datetime) -> str:
    """Return an instant in whole seconds: the JavaScript client reads no fractions."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
