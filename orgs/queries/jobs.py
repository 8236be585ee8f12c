"""Reads of background jobs."""

from django.db.models import QuerySet

from orgs.models import Job, Organization


def list_jobs(organization: Organization) -> QuerySet[Job]:
    """Return an organization's jobs, newest first."""
    return Job.objects.filter(organization=organization).order_by("-id")
