"""What is asked for by a row and done by a worker: leases, attempts, outcomes."""

from datetime import timedelta
from typing import Self, TypeVar

from django.db import models
from django.db.models import CheckConstraint, F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

W = TypeVar("W", bound="Work")


class WorkQuerySet(models.QuerySet[W]):
    def unfinished(self) -> Self:
        return self.filter(state__in=["pending", "running"])

    def due(self) -> Self:
        """To be done now, and nobody at it: not begun, or its worker died."""
        now = timezone.now()
        free = Q(leased_until=None) | Q(leased_until__lte=now)
        return self.unfinished().filter(free, due_at__lte=now)

    def claim(self, lease: timedelta) -> bool:
        """Take what is due of them for so long; false when somebody else was first."""
        now = timezone.now()
        claimed = self.due().update(
            state="running",
            attempts=F("attempts") + 1,
            started_at=Coalesce("started_at", now),
            leased_until=now + lease,
            due_at=now + lease,
        )
        return bool(claimed)


class Work(models.Model):
    """A row before a message: whoever holds the lease does it; the next after it ends.

    `due_at` is when it may be tried, later after each failure.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True)

    objects = WorkQuerySet.as_manager()

    class Meta:
        abstract = True


def work_constraints(table: str) -> list[CheckConstraint]:
    """Of every table of work: a known state, and an end only when it has ended."""
    return [
        CheckConstraint(
            condition=Q(state__in=["pending", "running", "done", "failed"]),
            name=f"{table}_state",
        ),
        CheckConstraint(
            condition=Q(finished_at=None, state__in=["pending", "running"])
            | Q(finished_at__isnull=False, state__in=["done", "failed"]),
            name=f"{table}_finished_ended",
        ),
    ]


def unfinished_index(table: str) -> models.Index:
    """What a sweep reads: small, however much is done."""
    return models.Index(
        fields=["due_at"],
        condition=Q(state__in=["pending", "running"]),
        name=f"{table}_unfinished",
    )


def failed_index(table: str) -> models.Index:
    """What people look at: few, if all is well."""
    return models.Index(
        fields=["-finished_at"], condition=Q(state="failed"), name=f"{table}_failed"
    )
