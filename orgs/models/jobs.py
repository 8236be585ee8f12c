from typing import Self

from django.db import models
from django.db.models import CheckConstraint, Q
from django.utils import timezone

from orgs.models.fields import in_order, sane


class JobQuerySet(models.QuerySet["Job"]):
    def unfinished(self) -> Self:
        return self.filter(state__in=["pending", "running"])


class Job(models.Model):
    """Work asked for and done later; the row is the intent, a worker's message a hint.

    A job whose worker died is taken up again after its lease.
    """

    class Kind(models.TextChoices):
        DELETE_ORGANIZATION = "delete_organization"
        USAGE_REPORT = "usage_report"

    class State(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="jobs"
    )
    kind = models.CharField(max_length=32, choices=Kind)
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=200, blank=True)
    error = models.TextField(blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(state__in=["pending", "running", "done", "failed"]),
                name="job_state",
            ),
            CheckConstraint(
                condition=Q(finished_at=None) | Q(state__in=["done", "failed"]),
                name="job_finished_ended",
            ),
            in_order("job", "created_at", "finished_at"),
            *sane("job", "created_at", "started_at", "finished_at"),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="job_by_organization"),
            models.Index(
                fields=["created_at"],
                condition=Q(state__in=["pending", "running"]),
                name="job_unfinished",
            ),
            models.Index(
                fields=["-finished_at"],
                condition=Q(state="failed"),
                name="job_failed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
