"""Totals of all organizations of a white label, and pending usage of the fleet.

Recording appends pending rows, so recordings never wait for each other on a total. A
periodic task rolls the rows up into totals. Within one database snapshot, totals plus
pending rows equal the sum of daily usage.
"""

from django.db import models

from metrics.models.daily import QUANTITY_DIGITS
from orgs.models.fields import ExactDecimalField


class UsageAmounts(models.Model):
    """The four amounts of a usage row; negative in a pending row of a correction."""

    quantity = models.DecimalField(max_digits=QUANTITY_DIGITS, decimal_places=0)
    cost = ExactDecimalField()
    benchmark_cost = ExactDecimalField()
    unpriced_quantity = models.DecimalField(
        max_digits=QUANTITY_DIGITS, decimal_places=0
    )

    class Meta:
        abstract = True


class FleetTotal(UsageAmounts):
    """Usage of all organizations of a white label by day, product, and meter."""

    pk = models.CompositePrimaryKey("white_label_id", "day", "product", "meter")
    white_label_id = models.BigIntegerField()
    day = models.DateField()
    product = models.TextField()
    meter = models.TextField()

    def __str__(self) -> str:
        return f"{self.white_label_id} {self.day} {self.product} {self.meter}"


class PendingFleetUsage(UsageAmounts):
    """Usage to be added to the fleet totals of a white label at the next roll-up."""

    white_label_id = models.BigIntegerField()
    day = models.DateField()
    product = models.TextField()
    meter = models.TextField()

    def __str__(self) -> str:
        return f"pending usage of {self.white_label_id} {self.day} {self.product}"
