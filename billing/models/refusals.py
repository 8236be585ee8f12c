"""The history of refused access: when, why, and what lifted each reason."""

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from orgs.models.fields import in_order, not_empty


class AccessRefusal(models.Model):
    """A time in which access was refused; open while it is, at most one at a time.

    Written by the command that sees the decision change, in the transaction of the
    change. Each reason that applied meanwhile is a `RefusalReason`.
    """

    organization = models.ForeignKey(
        "orgs.Organization",
        on_delete=models.CASCADE,
        related_name="access_refusals",
        db_index=False,  # the index of the history starts with it
    )
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["organization"],
                condition=Q(ended_at=None),
                name="access_refusal_one_open",
            ),
            in_order("access_refusal", "started_at", "ended_at"),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="access_refusal_history"),
        ]

    def __str__(self) -> str:
        return f"refusal {self.pk} of {self.organization_id}"


class RefusalReason(models.Model):
    """A reason of a refusal: its facts when it began, and what lifted it."""

    class Lifting(models.TextChoices):
        """What lifts a reason."""

        RESTORED = "restored", "Organization restored"
        ACTIVATED = "activated", "Organization activated"
        RESUMED = "resumed", "Subscription resumed"
        PAID = "paid", "Invoices paid"
        SUBSCRIBED = "subscribed", "Subscription started"
        TRIAL_EXTENDED = "trial_extended", "Trial extended"
        SUBSCRIPTION_CHANGED = "subscription_changed", "Subscription changed"
        SUBSCRIPTION_ENDED = "subscription_ended", "Subscription ended"
        LIMIT_RAISED = "limit_raised", "Hard limit raised"
        LIMIT_REMOVED = "limit_removed", "Hard limit removed"
        PERIOD_RESET = "period_reset", "Billing period reset"
        BALANCE_ADDED = "balance_added", "Free balance added"
        COST_REDUCED = "cost_reduced", "Cost reduced"

    refusal = models.ForeignKey(
        AccessRefusal, on_delete=models.CASCADE, related_name="reasons"
    )
    code = models.CharField(max_length=16)  # of `billing.access.decision`
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    # Amounts are text: see `billing.access.queries.facts.reason_facts`.
    facts = models.JSONField(default=dict)
    lifted_by = models.CharField(max_length=200, blank=True)  # empty: no person
    lifting = models.CharField(max_length=20, choices=Lifting, blank=True)
    note = models.CharField(max_length=2_000, blank=True)  # entered with the change

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["refusal", "code"],
                condition=Q(ended_at=None),
                name="refusal_reason_one_open",
            ),
            CheckConstraint(
                condition=Q(ended_at=None, lifting="")
                | Q(ended_at__isnull=False) & ~Q(lifting=""),
                name="refusal_reason_lifted",
            ),
            in_order("refusal_reason", "started_at", "ended_at"),
            *not_empty("refusal_reason", "code"),
        ]

    def __str__(self) -> str:
        return f"{self.code} of refusal {self.refusal_id}"
