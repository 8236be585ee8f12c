from django.db import models
from django.db.models import CheckConstraint, Q
from django.utils import timezone

from orgs.models.fields import in_range


class OpenPeriod(models.Model):
    """The billing period an organization's usage falls into now: one row each.

    Recording holds a share lock on it, closing takes it for update: a recording in
    flight is finished before a period is summed. `metrics.commands` alone moves it.
    """

    organization = models.OneToOneField(
        "orgs.Organization",
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="+",
    )
    number = models.PositiveIntegerField(default=1)  # counts from 1 per organization
    starts_at = models.DateTimeField()

    class Meta:
        constraints = [
            *in_range("open_period", "starts_at"),
            CheckConstraint(condition=Q(number__gte=1), name="open_period_number"),
        ]

    def __str__(self) -> str:
        return f"period {self.number} of {self.organization_id}"


class UsageEvent(models.Model):
    """One reported use, append-only, partitioned by month of `at`.

    The instant is part of the key because PostgreSQL wants the partition key in it.
    No foreign keys: they would be checked row by row on the hot way; the locked
    open-period row has one, and organizations are never removed.
    """

    pk = models.CompositePrimaryKey("organization_id", "event_id", "at")
    organization_id = models.BigIntegerField()
    event_id = models.TextField()
    at = models.DateTimeField()
    product = models.TextField()
    project_id = models.BigIntegerField()  # 0 is none
    quantities = models.JSONField()  # {meter: integer}
    period = models.IntegerField()  # the period that was open when it was recorded
    # The price book as it stood: with it the event's cost can be computed again.
    price_version = models.IntegerField()
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        managed = False  # partitioned tables are beyond Django: see 0002
        db_table = "metrics_usageevent"

    def __str__(self) -> str:
        return f"{self.organization_id}/{self.event_id}"
