from datetime import timedelta

from django.db import models
from django.utils import timezone

from orgs.models.fields import not_empty
from orgs.models.work import (
    RetryPolicy,
    Work,
    failed_index,
    unfinished_index,
    work_constraints,
)


class StripeAction(Work):
    """Something a person asked Stripe to do for an organization, why, and its answer.

    The row's id makes the idempotency key: asked twice of Stripe, it is done once. A
    planned one has a later `next_attempt_at`.
    """

    retries = RetryPolicy(
        lease=timedelta(minutes=5),  # longer than the gateway's deadline for one try
        attempts=24,  # about an hour: a person waits for it, and not for a surprise
        first_wait=timedelta(seconds=5),
        longest_wait=timedelta(minutes=3),
    )

    class Kind(models.TextChoices):
        CREATE_CUSTOMER = "create_customer", "Create customer"
        LINK_CUSTOMER = "link_customer", "Link customer"
        UNLINK_CUSTOMER = "unlink_customer", "Unlink customer"
        START = "start", "Start subscription"
        CHANGE_TIER = "change_tier", "Change tier"
        PAUSE = "pause", "Pause subscription"
        RESUME = "resume", "Resume subscription"
        CANCEL = "cancel", "Cancel subscription"
        SEATS = "seats", "Change seats"
        TRIAL_END = "trial_end", "Change trial end"
        PAYMENT_LINK = "payment_link", "Send payment link"

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="stripe_actions"
    )
    kind = models.CharField(max_length=16, choices=Kind)
    parameters = models.JSONField(default=dict)
    note = models.TextField()
    requested_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)
    answer = models.JSONField(null=True)  # what Stripe said, in a few fields

    class Meta:
        constraints = [
            *work_constraints("stripe_action"),
            *not_empty("stripe_action", "kind", "note", "requested_by"),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="stripe_action_newest"),
            unfinished_index("stripe_action"),
            failed_index("stripe_action"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
