"""Discrepancies between Orgdesk and Stripe."""

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from orgs.models.fields import not_empty


class DiscrepancyKind(models.TextChoices):
    """What differs between Orgdesk and Stripe."""

    TIER = "tier"
    PRICE = "price"
    SEATS = "seats"
    STATUS = "status"
    PERIOD = "period"
    AMOUNT = "amount"
    CUSTOMER = "customer"
    MISSING = "missing", "Missing in Orgdesk"
    ITEMS = "items"
    UNKNOWN_PRICE = "unknown_price", "Unknown price"
    UNSOLD_ITEM = "unsold_item", "Item not sold by Orgdesk"
    UNREADABLE = "unreadable", "Could not be read"
    TWO_LIVE = "two_live", "Duplicate active subscriptions"
    NO_ORGANIZATION = "no_organization", "Unlinked customer"
    NO_CUSTOMER = "no_customer", "Customer deleted in Stripe"
    CHARGES = "charges", "Invoice differs from charges"


class Discrepancy(models.Model):
    """Difference between Orgdesk's and Stripe's data of one object.

    It is open until a comparison no longer finds it. A sync repairs it by writing
    Stripe's data, except for warnings, which need a person.
    """

    Kind = DiscrepancyKind

    WARNINGS = (
        DiscrepancyKind.UNKNOWN_PRICE,
        DiscrepancyKind.UNSOLD_ITEM,
        DiscrepancyKind.UNREADABLE,
        DiscrepancyKind.TWO_LIVE,
        DiscrepancyKind.NO_ORGANIZATION,
        DiscrepancyKind.NO_CUSTOMER,
        DiscrepancyKind.CHARGES,
    )

    # Null for an unlinked customer, which is shown only to those who may see all white
    # labels.
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
    run = models.ForeignKey(  # the sync run that saw it last
        "billing.SyncRun",
        on_delete=models.SET_NULL,
        null=True,
        related_name="discrepancies",
    )
    kind = models.CharField(max_length=16, choices=Kind)
    stripe_id = models.CharField(max_length=255)  # of the object that differs
    orgdesk_value = models.TextField(blank=True)
    stripe_value = models.TextField(blank=True)
    # Of charges: what Stripe's invoice lacks, below 0 for what it has too much.
    amount = models.DecimalField(max_digits=24, decimal_places=3, null=True)
    currency = models.CharField(max_length=3, blank=True, default="", db_default="")
    # When the row in Orgdesk was read from Stripe, and when Stripe was asked again.
    orgdesk_read_at = models.DateTimeField(null=True)
    stripe_read_at = models.DateTimeField()
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["stripe_id", "kind"],
                condition=Q(resolved_at=None),
                name="discrepancy_one_open",
            ),
            CheckConstraint(
                condition=Q(kind__in=DiscrepancyKind.values),
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
            models.Index(
                fields=["white_label", "kind", "first_seen_at"],
                condition=Q(resolved_at=None),
                name="discrepancy_open_by_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.stripe_id}"

    @property
    def is_warning(self) -> bool:
        """True if only a person can resolve the discrepancy."""
        return self.kind in self.WARNINGS
