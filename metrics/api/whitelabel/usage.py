"""Contract A: compute time of a range, and usage reports made by jobs."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from ninja import Query, Schema
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from metrics.api.whitelabel.doors import (
    INNER,
    WRITES,
    Id,
    inner,
    reads,
    router,
    who,
    writes,
)
from metrics.api.whitelabel.shapes import (
    AGenericOut,
    AStartJobOut,
    Moment,
    PageIn,
    Said,
)
from metrics.commands import start_report
from metrics.errors import InvalidDateRange
from metrics.models import UsageReport
from metrics.periods import DayRange, parse_day
from metrics.queries import compute_time, list_reports
from metrics.tasks import run_job
from orgs import access
from orgs.catalog import Scope
from orgs.errors import Conflict, NotFound
from orgs.models import Job, Organization
from orgs.queries import count_or_estimate
from orgs.tasks import nudge

REPORTS = f"{INNER}/usage/reports"
REPORT = f"{REPORTS}/{{report_id}}"


class RangeIn(Schema):
    """Half-open; an instant counts as the white label's day it falls into."""

    model_config = ConfigDict(alias_generator=to_camel)

    start_date: Moment
    end_date: Moment

    def days(self, zone: ZoneInfo) -> DayRange:
        start = parse_day(self.start_date, zone, field="startDate")
        end = parse_day(self.end_date, zone, field="endDate")
        if start > end:
            raise InvalidDateRange("`startDate` must not be after `endDate`.")
        return DayRange(start, end)


class AComputeTimeOut(AGenericOut):
    cpu_compute_time: int = Field(description="Seconds.")
    gpu_compute_time: int = Field(description="Seconds.")
    total_compute_time: float = Field(description="Minutes, CPU + GPU unweighted.")


class AReportOut(Said):
    id: int
    created: datetime
    job_id: int
    job_finished: bool
    job_finished_successful: bool
    report_start_date: datetime
    report_end_date: datetime
    download_link: str | None


class AReportsOut(AGenericOut):
    reports: list[AReportOut]
    total_count: int


class AOneReportOut(AGenericOut):
    report: AReportOut


@router.get(
    f"{INNER}/usage/computeTime", **reads("Compute time of days", AComputeTimeOut)
)
def compute_time_usage(
    request: HttpRequest, organization_id: Id, inner_id: Id, query: Query[RangeIn]
) -> Any:
    """From the first day up to, and not including, the day of `endDate`."""
    found = inner(request, organization_id, inner_id, Scope.ORGANIZATIONS_READ)
    used = compute_time(found.pk, query.days(found.white_label.zone))
    return {
        "cpu_compute_time": used.cpu_seconds,
        "gpu_compute_time": used.gpu_seconds,
        "total_compute_time": used.minutes,
    }


@router.post(REPORTS, **writes("Ask for a usage report", AStartJobOut))
def create_report(
    request: HttpRequest, organization_id: Id, inner_id: Id, query: Query[RangeIn]
) -> Any:
    """Made by a job: CSV, a row per day and meter with usage; three years at most."""
    found = inner(request, organization_id, inner_id, Scope.ORGANIZATIONS_WRITE)
    days = query.days(found.white_label.zone)
    job = start_report(found, days, created_by=who(request))
    nudge(run_job, job.pk)
    return {"id": job.pk}


@router.get(REPORTS, **reads("Usage reports, newest first", AReportsOut))
def reports(
    request: HttpRequest, organization_id: Id, inner_id: Id, page: Query[PageIn]
) -> Any:
    found = inner(request, organization_id, inner_id, Scope.ORGANIZATIONS_READ)
    rows = list_reports(found)
    shown = rows[page.offset : page.offset + page.limit]
    return {
        "reports": [_out(request, report) for report in shown],
        "total_count": count_or_estimate(rows),
    }


@router.get(REPORT, **reads("A usage report", AOneReportOut))
def report(
    request: HttpRequest, organization_id: Id, inner_id: Id, report_id: Id
) -> Any:
    found = inner(request, organization_id, inner_id, Scope.ORGANIZATIONS_READ)
    return {"report": _out(request, _get(found, report_id))}


@router.delete(REPORT, **writes("Delete a usage report", AGenericOut))
def delete_report(
    request: HttpRequest, organization_id: Id, inner_id: Id, report_id: Id
) -> Any:
    found = inner(request, organization_id, inner_id, Scope.ORGANIZATIONS_WRITE)
    _get(found, report_id).delete()
    return {}


_CSV: dict[str, Any] = {
    "responses": {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
}


@router.get(
    f"{REPORT}/download",
    response={200: None, **WRITES},  # 409 while it is not made
    summary="A usage report's CSV",
    auth=access.needs(Scope.ORGANIZATIONS_READ),
    openapi_extra=_CSV,
)
def download_report(
    request: HttpRequest, organization_id: Id, inner_id: Id, report_id: Id
) -> HttpResponse:
    """409 until its job is done."""
    found = inner(request, organization_id, inner_id, Scope.ORGANIZATIONS_READ)
    made = _get(found, report_id)
    if made.content is None:
        raise Conflict("The report is not ready yet.")
    response = HttpResponse(made.content, content_type="text/csv; charset=utf-8")
    name = f"usage-{found.pk}-{made.pk}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _get(organization: Organization, report_id: str) -> UsageReport:
    rows = list_reports(organization)
    found = rows.filter(pk=access.row_id(report_id)).first()
    if found is None:
        raise NotFound("Report not found.")
    return found


def _out(request: HttpRequest, made: UsageReport) -> dict[str, Any]:
    is_made = made.job.state == Job.State.DONE
    path = f"{request.path_info.partition('/usage/reports')[0]}/usage/reports/{made.pk}"
    return {
        "id": made.pk,
        "created": made.created_at,
        "job_id": made.job_id,
        "job_finished": made.job.finished_at is not None,
        "job_finished_successful": is_made,
        "report_start_date": made.starts_at,
        "report_end_date": made.ends_at,
        "download_link": (
            request.build_absolute_uri(f"{path}/download") if is_made else None
        ),
    }
