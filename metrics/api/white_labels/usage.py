"""Contract A: compute time of a range, and usage reports that jobs create."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from ninja import Query, Schema
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from metrics.api.white_labels.links import read_link, signed_link
from metrics.commands.reports import start_report
from metrics.models import UsageReport
from metrics.periods import DayRange
from metrics.queries.compute import compute_time
from metrics.queries.reports import list_reports
from orgs import access
from orgs.api.white_labels.common import (
    INNER,
    WRITES,
    Id,
    caller_name,
    get_inner_organization,
    read_operation,
    router,
    write_operation,
)
from orgs.api.white_labels.schemas import (
    AGenericOut,
    AStartJobOut,
    Moment,
    PageIn,
    ResponseBody,
)
from orgs.catalog import Scope
from orgs.days import parse_day
from orgs.errors import Conflict, InvalidDateRange, NotFound
from orgs.models import Job, Organization
from orgs.queries.counting import count_or_estimate
from orgs.queue.enqueue import enqueue
from orgs.schemas.csv import BYTE_ORDER_MARK
from orgs.schemas.exports import CsvIn, csv_answer
from orgs.tasks import run_job

REPORTS = f"{INNER}/usage/reports"
REPORT = f"{REPORTS}/{{report_id}}"


class RangeIn(Schema):
    """A range of days in the white label's time zone; the last day is excluded."""

    model_config = ConfigDict(alias_generator=to_camel)

    start_date: Moment = Field(description="First day, as a date or date-time.")
    end_date: Moment = Field(description="Day after the last, as a date or date-time.")

    def days(self, zone: ZoneInfo) -> DayRange:
        start = parse_day(self.start_date, zone, field="startDate")
        end = parse_day(self.end_date, zone, field="endDate")
        if start > end:
            raise InvalidDateRange("`startDate` must not be after `endDate`.")
        return DayRange(start, end)


class AComputeTimeOut(AGenericOut):
    """Compute time of a range."""

    cpu_compute_time: int = Field(description="CPU seconds.")
    gpu_compute_time: int = Field(description="GPU seconds.")
    total_compute_time: float = Field(description="CPU plus GPU minutes, unweighted.")


class AReportOut(ResponseBody):
    """A usage report."""

    id: int = Field(description="The ID of the report.")
    created: datetime = Field(description="When the report was requested.")
    job_id: int = Field(description="The ID of the job that creates the report.")
    job_finished: bool = Field(description="Whether the job has ended.")
    job_finished_successful: bool = Field(description="Whether the report is ready.")
    report_start_date: datetime = Field(description="The first instant of the range.")
    report_end_date: datetime = Field(description="The first instant after the range.")
    download_link: str | None = Field(
        description="The URL of the CSV file, which works for an hour without a"
        " credential; null until the report is ready."
    )


class AReportsOut(AGenericOut):
    """A page of usage reports."""

    reports: list[AReportOut] = Field(description="Newest first.")
    total_count: int = Field(
        description="The number of reports; exact up to 10,000, then an estimate."
    )


class AOneReportOut(AGenericOut):
    """A usage report."""

    report: AReportOut = Field(description="The usage report.")


@router.get(
    f"{INNER}/usage/computeTime",
    **read_operation("Retrieve the compute time of a range", AComputeTimeOut),
    operation_id="get_compute_time",
)
def compute_time_usage(
    request: HttpRequest, organization_id: Id, inner_id: Id, query: Query[RangeIn]
) -> Any:
    """Return the compute time from `startDate` up to but excluding `endDate`."""
    organization = get_inner_organization(
        request, organization_id, inner_id, Scope.ORGANIZATIONS_READ
    )
    time = compute_time(organization.pk, query.days(organization.white_label.zone))
    return {
        "cpu_compute_time": time.cpu_seconds,
        "gpu_compute_time": time.gpu_seconds,
        "total_compute_time": time.minutes,
    }


@router.post(
    REPORTS,
    **write_operation("Create a usage report", AStartJobOut),
    operation_id="create_usage_report",
)
def create_report(
    request: HttpRequest, organization_id: Id, inner_id: Id, query: Query[RangeIn]
) -> Any:
    """Start a job that creates a CSV report with one row per day and meter with usage.

    The range can span at most three years.
    """
    organization = get_inner_organization(
        request, organization_id, inner_id, Scope.ORGANIZATIONS_WRITE
    )
    days = query.days(organization.white_label.zone)
    job = start_report(organization, days, created_by=caller_name(request))
    enqueue(run_job, job.pk)
    return {"id": job.pk}


@router.get(
    REPORTS,
    **read_operation("List usage reports", AReportsOut),
    operation_id="list_usage_reports",
)
def reports(
    request: HttpRequest, organization_id: Id, inner_id: Id, page: Query[PageIn]
) -> Any:
    """Return the usage reports of the organization, newest first."""
    organization = get_inner_organization(
        request, organization_id, inner_id, Scope.ORGANIZATIONS_READ
    )
    rows = list_reports(organization)
    page_rows = rows[page.offset : page.offset + page.limit]
    return {
        "reports": [_report_json(request, row) for row in page_rows],
        "total_count": count_or_estimate(rows),
    }


@router.get(
    REPORT,
    **read_operation("Retrieve a usage report", AOneReportOut),
    operation_id="get_usage_report",
)
def report(
    request: HttpRequest, organization_id: Id, inner_id: Id, report_id: Id
) -> Any:
    """Return a usage report and the state of its job."""
    organization = get_inner_organization(
        request, organization_id, inner_id, Scope.ORGANIZATIONS_READ
    )
    return {"report": _report_json(request, _get_report(organization, report_id))}


@router.delete(
    REPORT,
    **write_operation("Delete a usage report", AGenericOut),
    operation_id="delete_usage_report",
)
def delete_report(
    request: HttpRequest, organization_id: Id, inner_id: Id, report_id: Id
) -> Any:
    """Delete a usage report and its CSV file."""
    organization = get_inner_organization(
        request, organization_id, inner_id, Scope.ORGANIZATIONS_WRITE
    )
    _get_report(organization, report_id).delete()
    return {}


class DownloadIn(CsvIn):
    """What the file is for, and the signature of a download link."""

    signature: str | None = Field(
        None,
        max_length=200,
        description="The signature of a `downloadLink`, instead of a credential.",
        examples=["1vPq3C:Zb8xkq1T0d"],
    )


_CSV_EXAMPLE = "date,meter,unit,quantity\r\n2026-11-05,cpu_seconds,seconds,7200\r\n"


@router.get(
    f"{REPORT}/download",
    response={200: None, **WRITES},  # 409 until the report is ready
    summary="Download a usage report as CSV",
    auth=[read_link, access.needs(Scope.ORGANIZATIONS_READ)],
    openapi_extra=csv_answer(_CSV_EXAMPLE),
    operation_id="download_usage_report",
)
def download_report(
    request: HttpRequest,
    organization_id: Id,
    inner_id: Id,
    report_id: Id,
    file: Query[DownloadIn],
) -> HttpResponse:
    """Return the CSV file of a usage report; status 409 until it is ready.

    The `downloadLink` of a report has a `signature`, with which it works in a browser
    for an hour, without a credential.
    """
    organization = get_inner_organization(
        request, organization_id, inner_id, Scope.ORGANIZATIONS_READ
    )
    usage_report = _get_report(organization, report_id)
    if usage_report.content is None:
        raise Conflict("The report is not ready yet.")
    # Dates, meters, and numbers: nothing in it that Excel would change.
    mark = BYTE_ORDER_MARK if file.is_for_excel else ""
    response = HttpResponse(
        f"{mark}{usage_report.content}", content_type="text/csv; charset=utf-8"
    )
    name = f"usage-{organization.pk}-{usage_report.pk}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _get_report(organization: Organization, report_id: str) -> UsageReport:
    """Return a report of the organization; raise `NotFound` for an unknown id."""
    rows = list_reports(organization)
    usage_report = rows.filter(pk=access.row_id(report_id)).first()
    if usage_report is None:
        raise NotFound("Report not found.")
    return usage_report


def _report_json(request: HttpRequest, row: UsageReport) -> dict[str, Any]:
    is_ready = row.job.state == Job.State.DONE
    path = f"{request.path_info.partition('/usage/reports')[0]}/usage/reports/{row.pk}"
    return {
        "id": row.pk,
        "created": row.created_at,
        "job_id": row.job_id,
        "job_finished": row.job.finished_at is not None,
        "job_finished_successful": is_ready,
        "report_start_date": row.starts_at,
        "report_end_date": row.ends_at,
        "download_link": (
            request.build_absolute_uri(signed_link(f"{path}/download"))
            if is_ready
            else None
        ),
    }
