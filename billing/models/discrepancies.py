from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from orgs.models.fields import not_empty


class DriftKind(models.TextChoices):
    TIER = "tier"
    PRICE = "price"
    SEATS = "seats"
    STATUS = "status"
    PERIOD = "period"
    AMOUNT = "amount"
    CUSTOMER = "customer"
    MISSING = "missing", "Missing in Orgdesk"
    UNKNOWN_PRICE = "unknown_price", "Unknown price"
    TWO_LIVE = "two_live", "Duplicate active subscriptions"
    NO_ORGANIZATION = "no_organization", "Unlinked customer"
    NO_CUSTOMER = "no_customer", "Customer deleted in Stripe"


class Discrepancy(models.Model):
    """One difference between what we say and what Stripe says, until it is gone.

    Those of money heal by writing what Stripe says; warnings wait for a person.
    """

    Kind = DriftKind

    WARNINGS = (
        DriftKind.UNKNOWN_PRICE,
        DriftKind.TWO_LIVE,
        DriftKind.NO_ORGANIZATION,
        DriftKind.NO_CUSTOMER,
    )

    # Null: a customer of nobody; shown to whoever sees all white labels.
    white_label = models.ForeignKey(
        "orgs.WhiteLabel",
        on_delete=models.CASCADE,
        null=True,
        related_name="discrepancies",
    )
    organization = models.ForeignKey(
        "orgs.Organization",
        on_delete=models.CASCADE,
        null=True,
        related_name="discrepancies",
    )
    run = models.ForeignKey(  # that saw it last
        "billing.SyncRun",
        on_delete=models.SET_NULL,
        null=True,
        related_name="discrepancies",
    )
    kind = models.CharField(max_length=16, choices=Kind)
    stripe_id = models.CharField(max_length=255)  # of the object that differs
    ours = models.TextField(blank=True)
    theirs = models.TextField(blank=True)
    ours_at = models.DateTimeField(null=True)  # when our row was read from Stripe
    theirs_at = models.DateTimeField()
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["stripe_id", "kind"],
                condition=Q(resolved_at=None),
                name="discrepancy_once",
            ),
            CheckConstraint(
                condition=Q(kind__in=DriftKind.values),
                name="discrepancy_kind",
            ),
            *not_empty("discrepancy", "stripe_id"),
        ]
        indexes = [
            models.Index(
                fields=["white_label", "-last_seen_at"],
                condition=Q(resolved_at=None),
                name="discrepancy_open",
            ),
            models.Index(
                fields=["organization", "-id"], name="discrepancy_by_organization"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.stripe_id}"

    @property
    def is_warning(self) -> bool:
        return self.kind in self.WARNINGS
