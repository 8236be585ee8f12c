"""Re-rates that a person requested on a page: a preview, or its application."""

from datetime import timedelta
from uuid import uuid4

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils import timezone

from metrics.events import MAX_PRODUCT_LENGTH
from orgs.models.fields import ExactDecimalField, in_order, in_range, not_empty
from orgs.models.work import (
    UNFINISHED,
    RetryPolicy,
    Work,
    failed_index,
    unfinished_index,
    work_constraints,
)


class RerateRun(Work):
    """The re-rate of the open periods of a white label, batch by batch.

    A run without a `preview` only compares. One with a `preview` applies the same at
    the same version of the price book, once. With a product and meter it visits only
    organizations that used it in their open period. `last_id` is the last organization
    that was visited: a killed worker continues after it.
    """

    retries = RetryPolicy(
        lease=timedelta(minutes=5),  # a batch waits up to two for other corrections
        attempts=5,  # of one batch
        first_wait=timedelta(seconds=5),
        longest_wait=timedelta(minutes=2),
    )

    white_label = models.ForeignKey(
        "orgs.WhiteLabel", on_delete=models.CASCADE, related_name="+"
    )
    preview = models.OneToOneField(
        "self", on_delete=models.CASCADE, null=True, related_name="applied"
    )
    product = models.CharField(max_length=MAX_PRODUCT_LENGTH, blank=True)
    meter = models.CharField(max_length=64, blank=True)
    since = models.DateField(null=True)  # the first day of the price; closed periods
    price_version = models.PositiveIntegerField()
    requested_by = models.CharField(max_length=200)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    correction_id = models.UUIDField(default=uuid4)

    total = models.PositiveIntegerField(default=0)  # organizations of the white label
    done = models.PositiveIntegerField(default=0)  # those that were visited
    last_id = models.BigIntegerField(default=0)

    organizations = models.PositiveIntegerField(default=0)  # whose cost changes
    old_cost = ExactDecimalField(default=0)
    new_cost = ExactDecimalField(default=0)
    first_day = models.DateField(null=True)  # of the usage of these open periods
    last_day = models.DateField(null=True)
    without_events = models.PositiveIntegerField(default=0)
    closed_periods = models.PositiveIntegerField(default=0)
    closed_cost = ExactDecimalField(default=0)
    # [organization ID, old cost, new cost], the largest differences first.
    largest = models.JSONField(default=list)

    class Meta:
        constraints = [
            *work_constraints("rerate_run"),
            *in_range("rerate_run", "created_at"),
            *not_empty("rerate_run", "requested_by"),
            in_order("rerate_run", "first_day", "last_day"),
            CheckConstraint(
                condition=Q(preview=None) | ~Q(note=""), name="rerate_run_has_reason"
            ),
            UniqueConstraint(
                fields=["white_label"],
                condition=Q(state__in=UNFINISHED),
                name="rerate_run_one_unfinished",
            ),
        ]
        indexes = [
            models.Index(fields=["white_label", "-id"], name="rerate_run_newest"),
            unfinished_index("rerate_run"),
            failed_index("rerate_run"),
        ]

    def __str__(self) -> str:
        return f"re-rate {self.pk} of white label {self.white_label_id}"

    @property
    def is_preview(self) -> bool:
        """Return whether it only compares."""
        return self.preview_id is None

    @property
    def is_unfinished(self) -> bool:
        """Return whether organizations are still to be visited."""
        return self.state in UNFINISHED

    @property
    def percent(self) -> int:
        """Return the part of the organizations that was visited."""
        return min(100 * self.done // self.total, 100) if self.total else 0
