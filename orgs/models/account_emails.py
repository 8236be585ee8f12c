from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from orgs.models.work import (
    RetryPolicy,
    Work,
    failed_index,
    unfinished_index,
    work_constraints,
)


class AccountEmail(Work):
    """A message to a person about what happened to their account; holds no secret."""

    class Kind(models.TextChoices):
        LOGIN_LOCKED = "login_locked"
        EMAIL_CHANGED = "email_changed"  # goes to the old address
        TWO_FACTOR_RESET = "two_factor_reset"
        MEMBER_ADDED = "member_added"  # to a customer's user, who has no account
        ACCOUNT_CREATED = "account_created"
        # Of an address without a user: whether there is one is found by the worker.
        PASSWORD_RESET = "password_reset"  # noqa: S105

    retries = RetryPolicy(
        lease=timedelta(minutes=2),  # longer than a conversation with the mail host
        attempts=6,
        first_wait=timedelta(minutes=1),
        longest_wait=timedelta(minutes=30),
    )

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", null=True
    )
    kind = models.CharField(max_length=16, choices=Kind)
    address = models.EmailField()
    facts = models.JSONField(default=dict)  # what the text names
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [*work_constraints("account_email")]
        indexes = [
            models.Index(fields=["user", "kind", "-created_at"], name="account_email"),
            unfinished_index("account_email"),
            failed_index("account_email"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
