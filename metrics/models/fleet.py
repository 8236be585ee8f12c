"""All organizations of a white label together, and what is still to be added up.

Recording appends changes, which waits for nobody; a task folds them into totals that
everyone reads. Totals and changes of one snapshot add up to the daily usage.
"""

from django.db import models

from metrics.models.daily import COST_DIGITS, COST_PLACES, QUANTITY_DIGITS


class Sums(models.Model):
    """What daily usage sums; a change's may be negative when costs are corrected."""

    quantity = models.DecimalField(max_digits=QUANTITY_DIGITS, decimal_places=0)
    cost = models.DecimalField(max_digits=COST_DIGITS, decimal_places=COST_PLACES)
    benchmark_cost = models.DecimalField(
        max_digits=COST_DIGITS, decimal_places=COST_PLACES
    )
    unpriced_quantity = models.DecimalField(
        max_digits=QUANTITY_DIGITS, decimal_places=0
    )

    class Meta:
        abstract = True


class FleetTotal(Sums):
    """A white label's usage by day, product and meter, all organizations together."""

    pk = models.CompositePrimaryKey("white_label_id", "day", "product", "meter")
    white_label_id = models.BigIntegerField()
    day = models.DateField()
    product = models.TextField()
    meter = models.TextField()

    def __str__(self) -> str:
        return f"{self.white_label_id} {self.day} {self.product} {self.meter}"


class PendingFleetUsage(Sums):
    """What a recording added to a white label's day; folded into its total."""

    white_label_id = models.BigIntegerField()
    day = models.DateField()
    product = models.TextField()
    meter = models.TextField()

    def __str__(self) -> str:
        return f"change of {self.white_label_id} {self.day} {self.product}"
