"""Usage reports of an organization."""

from django.db.models import QuerySet

from metrics.models import UsageReport
from orgs.models import Organization


def list_reports(organization: Organization) -> QuerySet[UsageReport]:
    """Return the reports with their jobs, newest first; their content is not loaded."""
    reports = UsageReport.objects.filter(organization=organization)
    return reports.select_related("job").defer("content").order_by("-id")
