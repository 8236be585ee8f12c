from django.db import models
from django.db.models import CheckConstraint, F, Q
from django.utils import timezone

from orgs.models.fields import not_negative

# Wide enough for 10^12 events of 2^63 units at the dearest price a rate may have, with
# the twelve places an exact product of units and price needs: sums never overflow.
QUANTITY_DIGITS = 32
COST_DIGITS, COST_PLACES = 56, 12


class DailyUsage(models.Model):
    """What an organization used and what it cost, by day, product and meter.

    Folded so far: what is read is `Usage`, which has the rest too.
    The day is the white label's; `cost` was fixed when the usage was recorded;
    `unpriced_quantity` is the part that no rate covered.
    """

    pk = models.CompositePrimaryKey(
        "organization_id", "day", "product", "meter", "project_id", "period"
    )
    organization_id = models.BigIntegerField()
    day = models.DateField()
    product = models.TextField()
    meter = models.TextField()
    project_id = models.BigIntegerField()  # 0 is none
    period = models.IntegerField()
    quantity = models.DecimalField(max_digits=QUANTITY_DIGITS, decimal_places=0)
    cost = models.DecimalField(max_digits=COST_DIGITS, decimal_places=COST_PLACES)
    benchmark_cost = models.DecimalField(
        max_digits=COST_DIGITS, decimal_places=COST_PLACES
    )
    unpriced_quantity = models.DecimalField(
        max_digits=QUANTITY_DIGITS, decimal_places=0, default=0
    )

    class Meta:
        constraints = [
            # One, for each costs every row that is recorded; that a quantity is not
            # negative follows from its unpriced part.
            CheckConstraint(
                condition=Q(cost__gte=0)
                & Q(benchmark_cost__gte=0)
                & Q(unpriced_quantity__gte=0)
                & Q(quantity__gte=F("unpriced_quantity"))
                & Q(period__gte=1),
                name="daily_usage_in_range",
            )
        ]

    def __str__(self) -> str:
        return f"{self.organization_id} {self.day} {self.product} {self.meter}"


class DailyMetric(models.Model):
    """What changed in an organization in a day: people, projects, compute, storage.

    Deltas only. Running totals are computed from the contract start when read, so a
    moved contract date or a late event re-bases them by itself.
    """

    pk = models.CompositePrimaryKey("organization_id", "day")
    organization_id = models.BigIntegerField()
    day = models.DateField()
    members_added = models.PositiveIntegerField(db_default=0)
    members_deleted = models.PositiveIntegerField(db_default=0)
    staff_added = models.PositiveIntegerField(db_default=0)
    staff_deleted = models.PositiveIntegerField(db_default=0)
    projects_added = models.PositiveIntegerField(db_default=0)
    projects_deleted = models.PositiveIntegerField(db_default=0)
    cpu_seconds = models.DecimalField(
        max_digits=QUANTITY_DIGITS, decimal_places=0, db_default=0
    )
    gpu_seconds = models.DecimalField(
        max_digits=QUANTITY_DIGITS, decimal_places=0, db_default=0
    )
    storage_bytes_added = models.DecimalField(
        max_digits=QUANTITY_DIGITS, decimal_places=0, db_default=0
    )
    storage_bytes_deleted = models.DecimalField(
        max_digits=QUANTITY_DIGITS, decimal_places=0, db_default=0
    )

    class Meta:
        constraints = [
            *not_negative(
                "daily_metric",
                "members_added",
                "members_deleted",
                "projects_added",
                "projects_deleted",
                "cpu_seconds",
                "gpu_seconds",
                "storage_bytes_added",
                "storage_bytes_deleted",
            ),
            CheckConstraint(
                condition=Q(staff_added__lte=F("members_added"))
                & Q(staff_deleted__lte=F("members_deleted")),
                name="daily_metric_staff_within",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id} {self.day}"


class OrganizationRanking(models.Model):
    """Where an organization stands in the list's order: prepared, seconds old.

    Lists are sorted by this; the numbers they show are read from daily usage.
    """

    organization = models.OneToOneField(
        "orgs.Organization",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="ranking",
    )
    white_label = models.ForeignKey(
        "orgs.WhiteLabel", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    cost_30_days = models.DecimalField(
        max_digits=COST_DIGITS, decimal_places=COST_PLACES, default=0
    )
    last_usage_on = models.DateField(null=True)
    computed_on = models.DateField()  # the day its 30 days end with
    computed_at = models.DateTimeField(default=timezone.now)
    # Of its usage, folded so far; those not yet folded are rows of `PendingUsage`.
    changes = models.BigIntegerField(db_default=0)

    class Meta:
        indexes = [
            models.Index(
                fields=["white_label", "cost_30_days", "organization"],
                name="ranking_by_cost",
            ),
            models.Index(
                fields=["cost_30_days", "organization"], name="ranking_by_cost_all"
            ),
        ]

    def __str__(self) -> str:
        return f"standing of {self.organization_id}"
