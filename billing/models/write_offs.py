"""Usage that a named person decided not to bill."""

from django.db import models
from django.db.models import UniqueConstraint
from django.utils import timezone

from orgs.models.fields import new_key, not_empty


class UnpricedWriteOff(models.Model):
    """Unpriced usage of a closed period that will not be billed, and who decided so.

    Without such a row, unpriced usage of a closed period is carried into the next one.
    Rows are never changed.
    """

    period = models.ForeignKey(
        "billing.BillingPeriod", on_delete=models.PROTECT, related_name="write_offs"
    )
    product = models.TextField()
    meter = models.TextField()
    quantity = models.DecimalField(max_digits=32, decimal_places=0)
    by = models.CharField(max_length=200)
    note = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    # Of the request, so that it writes off once; made up for the rows of a closing.
    idempotency_key = models.CharField(max_length=255, default=new_key)

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["period", "product", "meter"], name="unpriced_write_off_once"
            ),
            UniqueConstraint(
                fields=["period", "idempotency_key"],
                name="unpriced_write_off_key_unique",
            ),
            *not_empty(
                "unpriced_write_off",
                "product",
                "meter",
                "by",
                "note",
                "idempotency_key",
            ),
        ]
        indexes = [
            # The history of all organizations is read by time.
            models.Index(fields=["-created_at", "-id"], name="write_off_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.meter} of period {self.period_id} written off"
