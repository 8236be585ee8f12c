"""Usage reports: requested by an API client, written once by a worker."""

from collections.abc import Iterator

from django.db import transaction

from metrics.catalog import METERS
from metrics.models import UsageReport
from metrics.periods import DayRange, Grain
from metrics.queries.series import GroupBy, Series, SeriesFilters, series
from orgs.commands.jobs import start_job
from orgs.days import day_of, first_instant
from orgs.models import Job, Organization
from orgs.schemas.csv import Cell, csv_text

_COLUMNS = ("date", "meter", "unit", "quantity")  # no costs: those need billing:read


@transaction.atomic
def start_report(
    organization: Organization, days: DayRange, *, created_by: str = ""
) -> Job:
    """Create a usage report of these days, at most three years, and its job."""
    days.within(Grain.DAILY)
    zone = organization.white_label.zone
    job = start_job(organization, Job.Kind.USAGE_REPORT, created_by=created_by)
    UsageReport.objects.create(
        organization=organization,
        job=job,
        starts_at=first_instant(days.start, zone),
        ends_at=first_instant(days.end, zone),
        created_by=job.created_by,
    )
    return job


def make_report(job: Job) -> None:
    """Write the content of a job's report, unless the report has been deleted."""
    report = UsageReport.objects.filter(job=job).first()
    if report is not None:
        content = _content(job.organization, report)
        UsageReport.objects.filter(pk=report.pk).update(content=content)


def _content(organization: Organization, report: UsageReport) -> str:
    """Return the report as CSV: one line per day and meter, as in the usage chart."""
    zone = organization.white_label.zone
    days = DayRange(day_of(report.starts_at, zone), day_of(report.ends_at, zone))
    usage = series(organization.pk, SeriesFilters(days, group_by=GroupBy.METER))
    return csv_text(_COLUMNS, _rows(usage))


def _rows(usage: Series) -> Iterator[tuple[Cell, ...]]:
    for day in usage.buckets:
        for line, amounts in usage.amounts_in(day):
            unit = METERS[line.id].unit.value if line.id in METERS else ""
            yield day, line.id, unit, amounts.quantity
