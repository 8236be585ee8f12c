"""Daily usage, daily metrics, and the ranking that sorts organization lists."""

from decimal import Decimal

from django.db import models
from django.db.models import Case, CheckConstraint, F, GeneratedField, Q, Value, When
from django.db.models.functions import Round
from django.utils import timezone

from orgs.models.fields import ExactDecimalField, not_negative

# Wide enough for 10^12 events of 2^63 units. Costs are exact products of quantity and
# price: their columns have no limit of digits, so sums never overflow or are rounded.
QUANTITY_DIGITS = 32
UNKNOWN_GROWTH = Decimal(-2)  # below every change: no cost becomes less than nothing


class DailyUsage(models.Model):
    """Usage and cost of an organization by day, product, meter, project, and period.

    Contains only what has been rolled up: read `Usage`, which adds pending usage. Days
    are days of the white label's time zone. `cost` was fixed when the usage was
    recorded. `unpriced_quantity` is the part that no rate covered.
    """

    pk = models.CompositePrimaryKey(
        "organization_id", "day", "product", "meter", "project_id", "period"
    )
    organization_id = models.BigIntegerField()
    day = models.DateField()
    product = models.TextField()
    meter = models.TextField()
    project_id = models.BigIntegerField()  # 0: no project
    period = models.IntegerField()
    quantity = models.DecimalField(max_digits=QUANTITY_DIGITS, decimal_places=0)
    cost = ExactDecimalField()
    benchmark_cost = ExactDecimalField()
    unpriced_quantity = models.DecimalField(
        max_digits=QUANTITY_DIGITS, decimal_places=0, default=0
    )

    class Meta:
        constraints = [
            # A single constraint, because each one is checked for every row that is
            # written. That `quantity` is not negative follows from the last two parts.
            CheckConstraint(
                condition=Q(cost__gte=0)
                & Q(benchmark_cost__gte=0)
                & Q(unpriced_quantity__gte=0)
                & Q(quantity__gte=F("unpriced_quantity"))
                & Q(period__gte=1),
                name="daily_usage_in_range",
            )
        ]
        indexes = [
            # Unpriced usage is rare and has to be found for many organizations at once.
            # The index is partial, so that recording priced usage does not update it.
            models.Index(
                fields=["organization_id", "period"],
                condition=~Q(unpriced_quantity=0),
                name="daily_usage_unpriced",
            )
        ]

    def __str__(self) -> str:
        return f"{self.organization_id} {self.day} {self.product} {self.meter}"


class DailyMetric(models.Model):
    """Daily changes of an organization: members, projects, compute, and storage.

    Rows hold deltas only. Running totals are computed from the contract start when
    they are read, so they stay right when the contract date moves or an event arrives
    late.
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
    """The values that organization lists are sorted by, computed ahead of time.

    They are a few seconds old. The numbers that a list shows are read from daily usage,
    not from here.
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
    currency = models.CharField(max_length=3, db_default="")  # of the white label
    cost_30_days = ExactDecimalField(default=0)
    cost_30_days_before = ExactDecimalField(db_default=0)  # of the 30 days before
    # The change as a fraction: 0.2 is 20% more. Without earlier cost it is below all.
    growth = GeneratedField(
        expression=Case(
            When(
                cost_30_days_before__gt=0,
                then=Round(
                    F("cost_30_days") / F("cost_30_days_before") - Decimal(1), 6
                ),
            ),
            default=Value(UNKNOWN_GROWTH),
            output_field=ExactDecimalField(),
        ),
        output_field=ExactDecimalField(),
        db_persist=True,
    )
    last_usage_on = models.DateField(null=True)
    computed_on = models.DateField()  # the last of the 30 days
    computed_at = models.DateTimeField(default=timezone.now)
    # How many rows of `PendingUsage` have been rolled up, and corrections of daily
    # metrics. See `PendingUsage` for what readers use it for.
    rolled_up_changes = models.BigIntegerField(db_default=0)

    class Meta:
        indexes = [
            models.Index(
                fields=["white_label", "cost_30_days", "organization"],
                name="ranking_by_cost",
            ),
            models.Index(
                fields=["currency", "cost_30_days", "organization"],
                name="ranking_by_cost_all",
            ),
            models.Index(
                fields=["white_label", "growth", "organization"],
                name="ranking_by_growth",
            ),
            models.Index(
                fields=["growth", "organization"], name="ranking_by_growth_all"
            ),
        ]

    def __str__(self) -> str:
        return f"ranking of {self.organization_id}"
