"""Unpriced usage that is priced when its period closes, or carried to the next."""

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


class LatePricing(models.Model):
    """The version of the price book that priced what was unpriced in a closing period.

    Other usage of the period keeps the prices it was recorded or re-rated with.
    """

    pk = models.CompositePrimaryKey(
        "organization_id", "period", "product", "meter", "price_version"
    )
    organization_id = models.BigIntegerField()
    period = models.IntegerField()
    product = models.TextField()
    meter = models.TextField()
    price_version = models.PositiveIntegerField()
    correction_id = models.UUIDField()

    def __str__(self) -> str:
        return f"{self.product} {self.meter} of period {self.period} priced late"
