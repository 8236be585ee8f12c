"""Usage reports: asked for, made by a worker, kept as they were made."""

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
    """Ask for the report of a half-open range of days; three years at most."""
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
    """Fill in the report of a job; one that was removed meanwhile stays removed."""
    report = UsageReport.objects.filter(job=job).first()
    if report is not None:
        content = _content(job.organization, report)
        UsageReport.objects.filter(pk=report.pk).update(content=content)


def _content(organization: Organization, report: UsageReport) -> str:
    """A row per day and meter with usage, from the charts' query."""
    zone = organization.white_label.zone
    days = DayRange(day_of(report.starts_at, zone), day_of(report.ends_at, zone))
    found = series(organization.pk, SeriesFilters(days, group_by=GroupBy.METER))
    return csv_text(_COLUMNS, _rows(found))


def _rows(found: Series) -> Iterator[tuple[Cell, ...]]:
    for day in found.buckets:
        for line, amounts in found.amounts_in(day):
            unit = METERS[line.id].unit.value if line.id in METERS else ""
            yield day, line.id, unit, amounts.quantity
