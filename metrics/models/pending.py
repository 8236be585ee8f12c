"""Usage that was recorded and is still to be folded; and all usage, folded or not."""

from django.db import models

from metrics.models.fleet import Sums


class _UsageSums(Sums):
    """Amounts of one key of daily usage; of a key there may be several rows."""

    organization_id = models.BigIntegerField()
    day = models.DateField()
    product = models.TextField()
    meter = models.TextField()
    project_id = models.BigIntegerField()  # 0 is none
    period = models.IntegerField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.organization_id} {self.day} {self.product} {self.meter}"


class PendingUsage(_UsageSums):
    """What a recording or a correction added; folded into daily usage and standings.

    `standing.changes` plus the rows here count every change ever made: with it a
    reader knows whether usage is as it was. Of a key there may be many: Django asks for
    a primary key, PostgreSQL knows of none.
    """

    pk = models.CompositePrimaryKey(
        "organization_id", "day", "product", "meter", "project_id", "period"
    )

    class Meta:
        managed = False  # without a key: see 0009
        db_table = "metrics_pendingusage"


class Usage(_UsageSums):
    """Daily usage and its changes together: what everything that reads usage reads."""

    pk = models.CompositePrimaryKey(
        "organization_id", "day", "product", "meter", "project_id", "period"
    )

    class Meta:
        managed = False  # a view
        db_table = "metrics_usage"
