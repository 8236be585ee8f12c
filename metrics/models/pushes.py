"""The pushing of an organization's data to its integrations, and backfills of a range.

Both are work (`orgs.models.work`): a worker claims a row, sends a request, and records
the answer. A push never ends: each answer says when it is due again.
"""

from datetime import timedelta

from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint
from django.utils import timezone

from orgs.models.fields import in_range
from orgs.models.work import (
    UNFINISHED,
    RetryPolicy,
    Work,
    unfinished_index,
    work_constraints,
)

# After so many pushes in a row without success an integration is failing: staff see it
# under Needs action.
FAILING_AFTER = 3


class Push(Work):
    """The pushing to one integration: where it continues, and how the last push went.

    `cursor` is what the next push continues from: of Prometheus the time of the last
    samples, of Loki the last lines of each source. `items` are samples or lines;
    `left_out` are series above the limit, `refused` the items that the target refused:
    they are not sent again.
    """

    retries = RetryPolicy(
        lease=timedelta(minutes=1),
        attempts=20,  # only those whose worker died count
        first_wait=timedelta(seconds=15),
        longest_wait=timedelta(minutes=10),
        jitter=0.2,
    )

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="+"
    )
    # Of the organization, which never changes it: failing ones are found by it.
    white_label = models.ForeignKey(
        "orgs.WhiteLabel", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    integration = models.OneToOneField(
        "metrics.Integration", on_delete=models.CASCADE, related_name="push"
    )
    cursor = models.JSONField(default=dict)
    # When the figures changed last: the next push is due a minute after the one before.
    changed_at = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(null=True)
    pushed_at = models.DateTimeField(null=True)  # the last success
    status = models.PositiveSmallIntegerField(null=True)  # of the last answer
    answer = models.TextField(blank=True)  # its body, as one line
    seconds = models.FloatField(default=0)  # that the last request took
    items = models.PositiveIntegerField(default=0)  # of the last success
    items_total = models.PositiveBigIntegerField(default=0)
    left_out = models.PositiveIntegerField(default=0)
    refused = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)  # since the last success
    failing_since = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "pushes"
        constraints = [
            *work_constraints("push"),
            *in_range("push", "changed_at", "tried_at", "pushed_at", "failing_since"),
            CheckConstraint(
                condition=Q(failures=0, failing_since=None)
                | Q(failures__gt=0, failing_since__isnull=False),
                name="push_failing_since",
            ),
        ]
        indexes = [
            unfinished_index("push"),
            models.Index(
                fields=["white_label", "failing_since"],
                condition=Q(failures__gte=FAILING_AFTER),
                name="push_failing",
            ),
        ]

    def __str__(self) -> str:
        return f"push of integration {self.integration_id}"

    @property
    def is_failing(self) -> bool:
        """True if several pushes in a row had no success."""
        return self.failures >= FAILING_AFTER


class PushBackfill(Work):
    """The pushing of past days to a Prometheus integration, oldest first.

    `next_day` is the first day that was not accepted yet: a killed worker sends it
    again, which Prometheus takes as the same samples.
    """

    retries = RetryPolicy(
        lease=timedelta(minutes=1),
        attempts=10,  # of one request
        first_wait=timedelta(seconds=15),
        longest_wait=timedelta(minutes=10),
        jitter=0.2,
    )

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="+"
    )
    integration = models.ForeignKey(
        "metrics.Integration", on_delete=models.CASCADE, related_name="backfills"
    )
    first_day = models.DateField()
    last_day = models.DateField()  # included
    next_day = models.DateField()
    samples = models.PositiveBigIntegerField(default=0)
    requested_by = models.CharField(max_length=200)
    note = models.CharField(max_length=2_000, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            *work_constraints("push_backfill"),
            *in_range("push_backfill", "created_at"),
            CheckConstraint(
                condition=Q(first_day__lte=F("last_day")),
                name="push_backfill_days_in_order",
            ),
            UniqueConstraint(
                fields=["integration"],
                condition=Q(state__in=UNFINISHED),
                name="push_backfill_one_unfinished",
            ),
        ]
        indexes = [unfinished_index("push_backfill")]

    def __str__(self) -> str:
        return f"backfill {self.pk} of integration {self.integration_id}"

    @property
    def is_unfinished(self) -> bool:
        """True while days are still to be sent."""
        return self.state in UNFINISHED

    @property
    def days(self) -> int:
        """Return the number of days of the range."""
        return (self.last_day - self.first_day).days + 1

    @property
    def days_done(self) -> int:
        """Return the number of days that were accepted."""
        return (self.next_day - self.first_day).days

    @property
    def percent(self) -> int:
        """Return the part of the days that was accepted."""
        return 100 * self.days_done // self.days
