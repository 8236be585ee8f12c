"""Events that do not count as usage."""

from django.db import models
from django.db.models import CheckConstraint, F, Q
from django.utils import timezone


class UsageVoid(models.Model):
    """The mark that an event should not have been recorded; the event itself stays.

    Its key is the event's: an event is voided at most once, and is still a duplicate
    when it is sent again. Voided events are not in daily usage, except where the period
    was already invoiced: there the usage stays as billed, and the customer got a credit
    (`is_credited`). The correction says who voided it and why.
    """

    pk = models.CompositePrimaryKey("organization_id", "event_id", "at")
    organization_id = models.BigIntegerField()
    event_id = models.TextField()
    at = models.DateTimeField()
    period = models.IntegerField()
    open_period = models.IntegerField()  # when it was voided
    is_credited = models.BooleanField(default=False)
    correction_id = models.UUIDField()
    voided_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(open_period__gte=F("period")) & Q(period__gte=1),
                name="void_period",
            )
        ]

    def __str__(self) -> str:
        return f"void of {self.organization_id}/{self.event_id}"
