from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from orgs.models import Job, Organization

_NUDGED_WITHIN = timedelta(minutes=1)


def list_jobs(organization: Organization) -> QuerySet[Job]:
    """Newest first."""
    return Job.objects.filter(organization=organization).order_by("-id")


def list_forgotten_jobs(limit: int) -> list[int]:
    """Jobs that should be running: nobody was told, or their worker died."""
    now = timezone.now()
    untold = Q(leased_until=None, created_at__lte=now - _NUDGED_WITHIN)
    jobs = Job.objects.unfinished().filter(untold | Q(leased_until__lte=now))
    return list(jobs.order_by("created_at", "id").values_list("id", flat=True)[:limit])
