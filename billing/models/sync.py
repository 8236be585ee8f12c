"""Sync runs: full reads of a Stripe account for one white label."""

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
    """Stages of a sync run, in the order in which they are read."""

    CUSTOMERS = "customers"
    PRICES = "prices"
    SUBSCRIPTIONS = "subscriptions"
    INVOICES = "invoices"
    CREDIT_NOTES = "credit_notes"
    REFUNDS = "refunds"
    DISPUTES = "disputes"
    ENDED = "ended"


class SyncRun(Work):
    """Full read of what Stripe has for a white label, page by page.

    `cursor` is the last object that was written; after a crash the stage continues from
    it. Each page that is written renews the lease and restores the attempts.
    """

    retries = RetryPolicy(
        lease=timedelta(minutes=3),  # for one page and the requests that it leads to
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
    repairs = models.BooleanField(default=True)  # false: differences are only recorded
    done = models.PositiveIntegerField(default=0)  # objects read
    total = models.PositiveIntegerField(null=True)  # expected, from the last run
    written = models.PositiveIntegerField(default=0)  # rows that changed
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
    """Object of Orgdesk that an unfinished run saw in Stripe.

    Objects of Orgdesk that a run did not see may have been deleted in Stripe.
    """

    pk = models.CompositePrimaryKey("run", "stripe_id")
    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="+")
    stripe_id = models.CharField(max_length=255)

    def __str__(self) -> str:
        return f"{self.stripe_id} in run {self.run_id}"
