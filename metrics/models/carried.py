"""Unpriced usage that counts in the next billing period."""

from django.db import models
from django.db.models import CheckConstraint, Q


class CarriedUsage(models.Model):
    """A product and meter whose unpriced usage of a period counts in the next one.

    Written when the period closes: it is billed without this usage, which is not lost.
    It is priced with the open period once there is a rate, and carried again if that
    closes before. What the period recorded at a rate stays in it.
    """

    pk = models.CompositePrimaryKey("organization_id", "period", "product", "meter")
    organization_id = models.BigIntegerField()
    period = models.IntegerField()
    product = models.TextField()
    meter = models.TextField()

    class Meta:
        constraints = [
            CheckConstraint(condition=Q(period__gte=1), name="carried_usage_period")
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.meter} of period {self.period} carried"
