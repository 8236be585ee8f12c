"""Pending usage, which waits to be rolled up, and the view of all usage."""

from django.db import models

from metrics.models.fleet import UsageAmounts


class _OrganizationUsage(UsageAmounts):
    """Amounts by the key of daily usage; several rows can have the same key."""

    organization_id = models.BigIntegerField()
    day = models.DateField()
    product = models.TextField()
    meter = models.TextField()
    project_id = models.BigIntegerField()  # 0: no project
    period = models.IntegerField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.organization_id} {self.day} {self.product} {self.meter}"


class PendingUsage(_OrganizationUsage):
    """Usage that a recording or a correction added and that is not rolled up yet.

    The roll-up adds the rows to daily usage and rankings and deletes them. An
    organization's `ranking.rolled_up_changes` plus its number of rows here only ever
    grows: readers use it as the version of the organization's usage. The primary key
    exists only in Django, which needs one; in PostgreSQL keys can repeat.
    """

    pk = models.CompositePrimaryKey(
        "organization_id", "day", "product", "meter", "project_id", "period"
    )

    class Meta:
        managed = False  # no primary key: created by SQL in the initial migration
        db_table = "metrics_pendingusage"


class Usage(_OrganizationUsage):
    """Daily usage plus pending usage: the view that all readers of usage query."""

    pk = models.CompositePrimaryKey(
        "organization_id", "day", "product", "meter", "project_id", "period"
    )

    class Meta:
        managed = False  # a view: created by SQL in the initial migration
        db_table = "metrics_usage"
