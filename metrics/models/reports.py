"""Usage reports that API clients request."""

from django.db import models
from django.db.models import CheckConstraint, F, Q
from django.utils import timezone

from orgs.models.fields import in_range


class UsageReport(models.Model):
    """Daily usage of a date range as CSV: written once by a job, never updated."""

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="+"
    )
    job = models.OneToOneField("orgs.Job", on_delete=models.CASCADE, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=200, blank=True)
    content = models.TextField(null=True)  # noqa: DJ001  null until written

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(starts_at__lte=F("ends_at")), name="usage_report_range"
            ),
            *in_range("usage_report", "starts_at", "ends_at", "created_at"),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="usage_report_by_org")
        ]

    def __str__(self) -> str:
        return f"usage report {self.pk}"
