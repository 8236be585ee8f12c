from datetime import timedelta

from django.db import models
from django.utils import timezone

from orgs.models.fields import in_range
from orgs.models.work import (
    RetryPolicy,
    Work,
    failed_index,
    unfinished_index,
    work_constraints,
)


class Job(Work):
    """A task that a person or API client asked for and a worker does later."""

    class Kind(models.TextChoices):
        DELETE_ORGANIZATION = "delete_organization"
        USAGE_REPORT = "usage_report"

    retries = RetryPolicy(
        lease=timedelta(minutes=15),  # longer than a worker lets a task run
        attempts=5,
        first_wait=timedelta(minutes=1),
        longest_wait=timedelta(minutes=4),
    )

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="jobs"
    )
    kind = models.CharField(max_length=32, choices=Kind)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            *work_constraints("job"),
            *in_range("job", "created_at", "started_at", "finished_at"),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="job_by_organization"),
            unfinished_index("job"),
            failed_index("job"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
