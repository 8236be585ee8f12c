"""The days for which stored bytes have been recorded as usage, and their refunds."""

from django.db import models
from django.db.models import CheckConstraint, Q

from metrics.models.daily import QUANTITY_DIGITS
from orgs.models.fields import ExactDecimalField


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


class StorageRefund(models.Model):
    """The part of a day's byte-days of a closed period that was refunded by credit.

    The events stay as billed. A later correction refunds only what the sum of these
    rows leaves of the day and period. When the events themselves are credited, a
    negative row takes back what their credit is reduced by.
    """

    pk = models.CompositePrimaryKey("organization_id", "day", "period", "correction_id")
    organization_id = models.BigIntegerField()
    day = models.DateField()
    period = models.IntegerField()
    correction_id = models.UUIDField()
    quantity = models.DecimalField(max_digits=QUANTITY_DIGITS, decimal_places=0)
    cost = ExactDecimalField()

    def __str__(self) -> str:
        return f"refund of {self.organization_id} for {self.day} in {self.period}"
