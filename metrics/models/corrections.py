"""Who corrected recorded usage, why, and at which prices. Append-only, never edited."""

from uuid import uuid4

from django.db import models
from django.db.models import CheckConstraint, Q

from metrics.models.daily import COST_DIGITS, COST_PLACES
from orgs.models.fields import in_order, in_range, not_empty


class CorrectionKind(models.TextChoices):
    REBUILD = "rebuild"
    RERATE = "rerate"
    VOID = "void"


class Correction(models.Model):
    """One act of correcting daily usage: made with its first write, counted with each.

    An act that found nothing to correct leaves no row; one that was killed has no
    `finished_at`, and its counts are those of what it wrote until then.
    """

    Kind = CorrectionKind

    id = models.UUIDField(primary_key=True, default=uuid4)
    white_label = models.ForeignKey(
        "orgs.WhiteLabel", on_delete=models.PROTECT, related_name="+"
    )
    kind = models.CharField(max_length=8, choices=Kind)
    by = models.CharField(max_length=200)
    note = models.TextField()
    organizations = models.PositiveIntegerField(default=0)  # once for each batch
    rows = models.PositiveBigIntegerField(default=0)  # of daily usage and metrics
    cost = models.DecimalField(  # new less old
        max_digits=COST_DIGITS, decimal_places=COST_PLACES, default=0
    )
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(kind__in=CorrectionKind.values),
                name="correction_kind",
            ),
            *not_empty("correction", "by", "note"),
            *in_range("correction", "started_at", "finished_at"),
            in_order("correction", "started_at", "finished_at"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} by {self.by}"


class PeriodRepricing(models.Model):
    """A period of an organization is priced with a later price book.

    Events stay as they were recorded. What one costs is said by the greater of its own
    `price_version` and the greatest one here of its organization and period: whatever
    was recorded before the re-rate has a smaller one, whatever came later has not.
    """

    pk = models.CompositePrimaryKey("organization_id", "period", "correction_id")
    organization_id = models.BigIntegerField()
    period = models.IntegerField()
    correction_id = models.UUIDField()
    price_version = models.PositiveIntegerField()
    old_cost = models.DecimalField(max_digits=COST_DIGITS, decimal_places=COST_PLACES)
    new_cost = models.DecimalField(max_digits=COST_DIGITS, decimal_places=COST_PLACES)

    def __str__(self) -> str:
        return f"period {self.period} of {self.organization_id} re-rated"
