"""Work that is a row first and a message second: its lease, attempts and outcome.

Every task that must not be lost is a row of a model that inherits `Work`: alert emails,
Stripe actions, charges, webhook events, syncs and jobs. A message only says "this row
is due". `orgs.commands.work` claims such rows, renews their leases and ends them.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Self, TypeVar

from django.db import models
from django.db.models import CheckConstraint, Q
from django.db.models.functions import Now
from django.utils import timezone

W = TypeVar("W", bound="Work")


class WorkState(models.TextChoices):
    """What may become of a row of work."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # out of attempts, or refused for good
    CANCELED = "canceled"  # by a person, before it was done


UNFINISHED = (WorkState.PENDING, WorkState.RUNNING)
ENDED = (WorkState.DONE, WorkState.FAILED, WorkState.CANCELED)


class DatabaseClock(Now):
    """The time of PostgreSQL, by which alone leases begin and end.

    Workers on several machines have several clocks. If each compared a lease with its
    own, one that is fast would take a row from a worker that still has it.
    """


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a worker may keep a row of one kind, and when it is tried again."""

    lease: timedelta  # longer than the longest step between two renewals
    attempts: int  # then the row has failed and a person must look at it
    first_wait: timedelta  # after the first failure; doubled after each further one
    longest_wait: timedelta
    jitter: float = 0.0  # 0.2: each wait is up to 20% shorter or longer


class WorkQuerySet(models.QuerySet[W]):
    """Rows of one kind of work."""

    def unfinished(self) -> Self:
        """Select the rows that wait for a worker or are with one."""
        return self.filter(state__in=UNFINISHED)

    def due(self) -> Self:
        """Select the rows that a worker may claim now: not begun, or its worker died.

        A planned row, and one that failed, is due from `next_attempt_at`. The web
        process writes that of a new row by its own clock: one that is fast delays the
        first attempt by the difference, at most until the next sweep.
        """
        now = DatabaseClock()
        free = Q(leased_until=None) | Q(leased_until__lte=now)
        return self.unfinished().filter(free, next_attempt_at__lte=now)

    def forgotten(self) -> Self:
        """Select what a sweep enqueues: due, and no message for it is on its way."""
        unsent = Q(sweep_after=None) | Q(sweep_after__lte=DatabaseClock())
        return self.due().filter(unsent).order_by("next_attempt_at", "pk")


class Work(models.Model):
    """The base of background work: pending, running under a lease, then done or failed.

    `lease` is the token of the current claim. Renewing the lease or ending the row
    requires it, so a worker that lost its lease changes nothing. `attempts` is counted
    when a row is claimed: a row that kills its worker runs out of them too.
    """

    State = WorkState

    retries: ClassVar[RetryPolicy]

    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    # Until then the message sent for the row is awaited, and a sweep sends no other.
    sweep_after = models.DateTimeField(null=True)
    lease = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)  # the first claim
    finished_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=64, blank=True)  # of the last attempt
    error = models.TextField(blank=True)

    objects = WorkQuerySet.as_manager()

    class Meta:
        abstract = True

    @property
    def has_attempts_left(self) -> bool:
        """True if another attempt may follow the current one."""
        return self.attempts < self.retries.attempts

    @property
    def is_exhausted(self) -> bool:
        """True if the worker of the last attempt died, so no attempt is left.

        Such a row is claimed once more, to be ended by the rules of its kind.
        """
        return self.attempts > self.retries.attempts


def work_constraints(
    table: str, *, ended: tuple[str, ...] = ENDED
) -> list[CheckConstraint]:
    """Return the constraints of every table of work.

    The state is a known one; there is an end only when it has ended, and a lease only
    while a worker has it.
    """
    return [
        CheckConstraint(
            condition=Q(state__in=[*UNFINISHED, *ended]), name=f"{table}_state"
        ),
        CheckConstraint(
            condition=Q(finished_at=None, state__in=UNFINISHED)
            | Q(finished_at__isnull=False, state__in=ended),
            name=f"{table}_finished_ended",
        ),
        CheckConstraint(
            condition=Q(lease=None)
            | Q(state=WorkState.RUNNING, leased_until__isnull=False),
            name=f"{table}_lease_running",
        ),
    ]


def unfinished_index(table: str) -> models.Index:
    """Return the index that a sweep reads: small, however many rows have ended.

    It holds no column that a claim or a renewal changes, so these write no index.
    """
    return models.Index(
        fields=["next_attempt_at"],
        condition=Q(state__in=UNFINISHED),
        name=f"{table}_unfinished",
    )


def failed_index(table: str) -> models.Index:
    """Return the index of the page of failed jobs: few rows, if all is well."""
    return models.Index(
        fields=["-finished_at"],
        condition=Q(state=WorkState.FAILED),
        name=f"{table}_failed",
    )
