"""Contract A's main operation: an organization's numbers and its last 365 days.

The hot way of this contract, written straight to bytes. Integers stay integers however
large; the clients refuse `10.0`.
"""

from datetime import datetime
from typing import Annotated, Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query
from pydantic import Field

from metrics.api.whitelabel.doors import INNER, Id, inner, reads, router
from metrics.api.whitelabel.shapes import AEntitlementLimits, AGenericOut, Said
from metrics.periods import day_of, first_instant
from metrics.queries import DayMetrics, contract_start, daily_metrics
from orgs.catalog import Scope
from orgs.models import Entitlements, Organization
from orgs.queries import get_entitlements


class ADailyMetricsOut(Said):
    """A day of the white label's calendar; totals hold at its end."""

    date: datetime = Field(description="The day, as its midnight in UTC.")
    total_users: int = Field(description="0 for a personal organization.")
    total_staff_users: int = Field(description="0 for a personal organization.")
    total_projects: int
    total_current_contract_cpu_compute_time_seconds: int
    total_current_contract_gpu_compute_time_seconds: int
    total_current_contract_compute_time_seconds: int = Field(
        description="CPU + weight x GPU; the weight is 3 unless the white label says."
    )
    compute_time_calculated_since: datetime = Field(
        description="First instant of the contract's, or else the creation's day."
    )
    total_storage_size_bytes: int
    users_added: int
    staff_users_added: int
    users_deleted: int
    staff_users_deleted: int
    projects_added: int
    projects_deleted: int
    cpu_compute_time_seconds: int
    gpu_compute_time_seconds: int
    compute_time_seconds: int = Field(description="CPU + weight x GPU.")
    storage_bytes_added: int
    storage_bytes_deleted: int


class AInfoOut(AGenericOut):
    cpu_compute_time: int = Field(description="Seconds since the contract started.")
    gpu_compute_time: int = Field(description="Seconds since the contract started.")
    total_compute_time: float = Field(
        description="Minutes, CPU + GPU unweighted, since the contract started."
    )
    billable: bool
    entitlement_limits: AEntitlementLimits
    compute_time_current_contract_since: datetime
    total_storage: int = Field(description="Bytes in use.")
    daily_metrics: list[ADailyMetricsOut] = Field(
        description="365 days, oldest first, the last one today."
    )
    extension_blocks: list[Any] = Field(description="Always empty.")
    extension_settings: dict[str, Any] = Field(description="Always empty.")


Deleted = Annotated[
    bool,
    Query(False, alias="includeDeleted", description="A deleted organization, too."),
]


@router.get(
    INNER, **reads("An organization's totals, entitlements and 365 days", AInfoOut)
)
def info(
    request: HttpRequest,
    organization_id: Id,
    inner_id: Id,
    include_deleted: Deleted = False,
) -> HttpResponse:
    """Without `includeDeleted` a deleted organization is not found."""
    organization = inner(
        request,
        organization_id,
        inner_id,
        Scope.ORGANIZATIONS_READ,
        include_deleted=include_deleted,
    )
    return HttpResponse(info_body(organization), content_type="application/json")


def info_body(organization: Organization) -> bytes:
    """`AInfoOut` as JSON; two queries."""
    zone = organization.white_label.zone
    days = daily_metrics(organization, last=day_of(timezone.now(), zone))
    since = moment(first_instant(contract_start(organization), zone))
    end = days[-1]
    cpu, gpu = end.total_contract_cpu_seconds, end.total_contract_gpu_seconds
    answer = {
        "success": True,
        "cpuComputeTime": _integer(cpu),
        "gpuComputeTime": _integer(gpu),
        "totalComputeTime": (cpu + gpu) / 60,
        "billable": organization.is_billable,
        "entitlementLimits": limits_of(get_entitlements(organization)),
        "computeTimeCurrentContractSince": since,
        "totalStorage": _integer(end.total_storage_bytes),
        "dailyMetrics": orjson.Fragment(_days(organization, days, since)),
        "extensionBlocks": [],
        "extensionSettings": {},
    }
    return orjson.dumps(answer)


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
    """Sums may be wider than the 64 bits orjson writes."""
    return orjson.Fragment(str(value))


def moment(instant: datetime) -> str:
    """Whole seconds and a Z: the JavaScript client reads no microseconds."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def limits_of(entitlements: Entitlements) -> dict[str, int | None]:
    return {
        "totalStorage": entitlements.storage_bytes,
        "computeTimePerYear": entitlements.compute_seconds_per_year,
        "gpuComputeTimePerYear": entitlements.gpu_seconds_per_year,
        "numberOfProjects": entitlements.projects,
        "numberOfUsers": entitlements.users,
    }
