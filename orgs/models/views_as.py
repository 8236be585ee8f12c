"""Times in which staff see Orgdesk as another account, or an organization, does."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import CheckConstraint, Q
from django.utils import timezone

from orgs.models.fields import in_order, in_range, not_empty, with_history

LONGEST = timedelta(minutes=15)


@with_history()
class ViewAs(models.Model):
    """A time in which a person only reads, as another account or an organization.

    The row decides, not the cookie: it ends by itself, and can be ended by anybody who
    can write it. `account` is the account of a white label that is seen as; without
    one, the customer page of `organization` is shown.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="views_as"
    )
    account = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="viewed_as",
        null=True,
    )
    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="+", null=True
    )
    white_label = models.ForeignKey(
        "orgs.WhiteLabel", on_delete=models.CASCADE, related_name="+"
    )
    reason = models.CharField(max_length=1_000)
    started_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "view as another account"
        verbose_name_plural = "views as another account"
        constraints = [
            *in_range("view_as", "started_at", "ends_at", "ended_at"),
            *not_empty("view_as", "reason"),
            in_order("view_as", "started_at", "ends_at"),
            in_order("view_as", "started_at", "ended_at"),
            CheckConstraint(
                condition=Q(account=None, organization__isnull=False)
                | Q(account__isnull=False, organization=None),
                name="view_as_of_one",
            ),
        ]

    def __str__(self) -> str:
        return f"view as {self.account or self.organization}"

    def is_over(self, now: datetime) -> bool:
        """Return whether the time is up, or was ended."""
        return self.ended_at is not None or self.ends_at <= now
