from django.db import models
from django.db.models import CheckConstraint, Q
from django.utils import timezone


class UsageVoid(models.Model):
    """The counter of an event that should not have been: the event itself stays.

    Its key is the event's, so one is voided once, and sent again it is a duplicate.
    Sums are without it; but where its period was invoiced already they stay as billed
    (`is_credited`), and a credit made it good. Who and why: its correction.
    """

    pk = models.CompositePrimaryKey("organization_id", "event_id", "at")
    organization_id = models.BigIntegerField()
    event_id = models.TextField()
    at = models.DateTimeField()
    period = models.IntegerField()
    is_credited = models.BooleanField(default=False)
    correction_id = models.UUIDField()
    voided_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [CheckConstraint(condition=Q(period__gte=1), name="void_period")]

    def __str__(self) -> str:
        return f"void of {self.organization_id}/{self.event_id}"
