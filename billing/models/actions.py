"""Actions in Stripe that people request for an organization."""

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
    """Change in Stripe that a person requested, with the note and Stripe's answer.

    The idempotency key is made of the row's id, so that Stripe makes the change once. A
    planned action has a later `next_attempt_at`.
    """

    retries = RetryPolicy(
        lease=timedelta(minutes=5),  # longer than the gateway's deadline for one try
        attempts=24,  # about an hour: later, the change would surprise the person
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
    answer = models.JSONField(null=True)  # fields of Stripe's answer that pages show

    class Meta:
        constraints = [
            *work_constraints("stripe_action"),
            *not_empty("stripe_action", "kind", "note", "requested_by"),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="stripe_action_newest"),
            # The history of all organizations is read by time.
            models.Index(fields=["-created_at", "-id"], name="stripe_action_by_time"),
            unfinished_index("stripe_action"),
            failed_index("stripe_action"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
