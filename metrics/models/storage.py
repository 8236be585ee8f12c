"""The days for which stored bytes have been recorded as usage."""

from django.db import models
from django.db.models import CheckConstraint, Q

from metrics.models.daily import QUANTITY_DIGITS


class StorageDay(models.Model):
    """The bytes of an organization that were recorded as stored on a day.

    Written in the transaction that records the usage, so that a day is recorded once.
    `revision` counts the usage events of the day: the first, and one for each time the
    stored bytes of the day turned out to be different.
    """

    pk = models.CompositePrimaryKey("organization_id", "day")
    organization_id = models.BigIntegerField()
    day = models.DateField()
    quantity = models.DecimalField(max_digits=QUANTITY_DIGITS, decimal_places=0)
    revision = models.PositiveIntegerField()

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(quantity__gte=0) & Q(revision__gte=1),
                name="storage_day_in_range",
            )
        ]

    def __str__(self) -> str:
        return f"storage of {self.organization_id} on {self.day}"
