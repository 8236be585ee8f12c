from datetime import timedelta

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils import timezone

from orgs.models.work import (
    UNFINISHED,
    RetryPolicy,
    Work,
    unfinished_index,
    work_constraints,
)


class SyncStage(models.TextChoices):
    """What a sync run reads, in this order."""

    CUSTOMERS = "customers"
    PRICES = "prices"
    SUBSCRIPTIONS = "subscriptions"
    INVOICES = "invoices"
    ENDED = "ended"


class SyncRun(Work):
    """One reading of everything Stripe has for a white label, page by page.

    `cursor` is where the stage goes on after a kill: the last object that was written.
    Each page that is written renews the lease and restores the attempts.
    """

    retries = RetryPolicy(
        lease=timedelta(minutes=3),  # for one page and what it leads to
        attempts=8,  # in a row, without a page between them
        first_wait=timedelta(seconds=15),
        longest_wait=timedelta(minutes=10),
    )

    Stage = SyncStage

    white_label = models.ForeignKey(
        "orgs.WhiteLabel", on_delete=models.CASCADE, related_name="sync_runs"
    )
    stage = models.CharField(max_length=13, choices=Stage, default=Stage.CUSTOMERS)
    cursor = models.CharField(max_length=255, blank=True)
    repairs = models.BooleanField(default=True)  # else differences are only recorded
    done = models.PositiveIntegerField(default=0)  # objects read
    total = models.PositiveIntegerField(null=True)  # expected, from the last run
    written = models.PositiveIntegerField(default=0)  # rows that were not so before
    discrepancy_count = models.PositiveIntegerField(default=0)  # differences found
    errors = models.PositiveIntegerField(default=0)  # objects that could not be read
    requested_by = models.CharField(max_length=200, blank=True)  # empty: the schedule
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            *work_constraints("sync_run"),
            CheckConstraint(
                condition=Q(stage__in=SyncStage.values),
                name="sync_run_stage",
            ),
            UniqueConstraint(
                fields=["white_label"],
                condition=Q(state__in=UNFINISHED),
                name="sync_run_one_unfinished",
            ),
        ]
        indexes = [
            models.Index(fields=["white_label", "-id"], name="sync_run_newest"),
            unfinished_index("sync_run"),
        ]

    def __str__(self) -> str:
        return f"sync {self.pk} of {self.white_label_id}"


class SyncSeen(models.Model):
    """What an unfinished run met: what is ours and was not met is gone in Stripe."""

    pk = models.CompositePrimaryKey("run", "stripe_id")
    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="+")
    stripe_id = models.CharField(max_length=255)

    def __str__(self) -> str:
        return f"{self.stripe_id} in run {self.run_id}"
