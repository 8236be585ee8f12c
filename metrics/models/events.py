"""Usage events and the billing period that they are recorded into."""

from django.db import models
from django.db.models import CheckConstraint, Q
from django.utils import timezone

from orgs.models.fields import in_range


class OpenPeriod(models.Model):
    """The open billing period of an organization, which new usage is recorded into.

    Recording locks the row `for share`; closing the period locks it `for update`. So a
    period is summed only after the recordings in flight have committed. Only
    `metrics.commands` writes this table.
    """

    organization = models.OneToOneField(
        "orgs.Organization",
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="+",
    )
    number = models.PositiveIntegerField(default=1)  # 1, 2, 3, … per organization
    starts_at = models.DateTimeField()

    class Meta:
        constraints = [
            *in_range("open_period", "starts_at"),
            CheckConstraint(condition=Q(number__gte=1), name="open_period_number"),
        ]

    def __str__(self) -> str:
        return f"period {self.number} of {self.organization_id}"


class UsageEvent(models.Model):
    """A reported use of a product: append-only, partitioned by the month of `at`.

    `at` is part of the primary key because PostgreSQL requires the partition key there.
    There are no foreign keys, because they would be checked for each recorded row. The
    locked row of `OpenPeriod` proves that the organization exists, and organizations
    are never deleted from the database.
    """

    pk = models.CompositePrimaryKey("organization_id", "event_id", "at")
    organization_id = models.BigIntegerField()
    event_id = models.TextField()
    at = models.DateTimeField()
    product = models.TextField()
    project_id = models.BigIntegerField()  # 0: no project
    quantities = models.JSONField()  # {meter: whole number}
    period = models.IntegerField()  # the open period when the event was recorded
    # The version of the price book at that moment: makes the cost reproducible.
    price_version = models.IntegerField()
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        managed = False  # partitioned: created by SQL in the initial migration
        db_table = "metrics_usageevent"

    def __str__(self) -> str:
        return f"{self.organization_id}/{self.event_id}"
