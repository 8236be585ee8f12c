from django.db.models import QuerySet

from metrics.models import UsageReport
from orgs.models import Organization


def list_reports(organization: Organization) -> QuerySet[UsageReport]:
    """Newest first, with their jobs and without their content."""
    reports = UsageReport.objects.filter(organization=organization)
    return reports.select_related("job").defer("content").order_by("-id")
