"""The audit trail of corrections to recorded usage: author, reason, prices, counts."""

from uuid import uuid4

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from orgs.models.fields import (
    ExactDecimalField,
    in_order,
    in_range,
    new_key,
    not_empty,
)


class CorrectionKind(models.TextChoices):
    """The kinds of correction.

    Rebuild recomputes daily usage from its events; re-rate prices an open period with
    the current price book; void takes events out of daily usage; storage replaces the
    recorded bytes of days whose stored bytes turned out to be different; split moves
    usage to the period after a change of terms; write-off
    returns usage without a price to the closed period that is billed without it.
    """

    REBUILD = "rebuild"
    RERATE = "rerate"
    VOID = "void"
    SPLIT = "split"
    STORAGE = "storage"
    WRITE_OFF = "writeoff"


class Correction(models.Model):
    """A correction of daily usage: who ran it, why, and what it changed.

    A correction runs in batches. Its row is inserted with the first batch that changes
    something, and its counts grow with each. A correction that finds nothing to change
    leaves no row, unless it was requested under a key. One that was killed has no
    `finished_at`, and its counts are those of the batches that were committed.
    """

    Kind = CorrectionKind

    id = models.UUIDField(primary_key=True, default=uuid4)
    white_label = models.ForeignKey(
        "orgs.WhiteLabel", on_delete=models.PROTECT, related_name="+"
    )
    kind = models.CharField(max_length=8, choices=Kind)
    by = models.CharField(max_length=200)
    note = models.TextField()
    organizations = models.PositiveIntegerField(default=0)  # one counts once per batch
    rows = models.PositiveBigIntegerField(default=0)  # daily usage and daily metrics
    cost = ExactDecimalField(default=0)  # new cost minus old cost
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    # A correction that is requested again under its key goes on, or is found as done.
    idempotency_key = models.CharField(max_length=255, default=new_key)
    # The hash of the arguments: a key is refused for a correction with others.
    arguments = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["white_label", "idempotency_key"], name="correction_key_unique"
            ),
            CheckConstraint(
                condition=Q(kind__in=CorrectionKind.values),
                name="correction_kind",
            ),
            *not_empty("correction", "by", "note", "idempotency_key"),
            *in_range("correction", "started_at", "finished_at"),
            in_order("correction", "started_at", "finished_at"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} by {self.by}"


class PeriodRerating(models.Model):
    """A billing period that was re-rated with a later version of the price book.

    Events are never changed. The version that prices an event is the greater of the
    event's `price_version` and the greatest version here for its organization and
    period: events recorded before the re-rate have a smaller version, later events
    have the same or a greater one.
    """

    pk = models.CompositePrimaryKey("organization_id", "period", "correction_id")
    organization_id = models.BigIntegerField()
    period = models.IntegerField()
    correction_id = models.UUIDField()
    price_version = models.PositiveIntegerField()
    old_cost = ExactDecimalField()
    new_cost = ExactDecimalField()

    def __str__(self) -> str:
        return f"period {self.period} of {self.organization_id} re-rated"
