"""Credit notes, refunds and disputes mirrored from Stripe."""

from django.db import models
from django.db.models import CheckConstraint, Q
from django.utils import timezone

from billing.models.mirrors import white_label_trigger
from orgs.models.fields import in_range, not_empty, not_negative, with_history


class AdjustmentKind(models.TextChoices):
    """The ways in which money goes back to a customer."""

    CREDIT_NOTE = "credit_note", "Credit note"
    REFUND = "refund"
    DISPUTE = "dispute"


# Statuses in which an adjustment counts: the money was given back or is held back.
COUNTED_STATUSES = {
    AdjustmentKind.CREDIT_NOTE: ("issued",),
    AdjustmentKind.REFUND: ("pending", "requires_action", "succeeded"),
    AdjustmentKind.DISPUTE: (
        *("needs_response", "under_review", "lost"),
        *("appeal_needs_response", "appeal_under_review"),
    ),
}
# Statuses of a dispute in which Stripe waits for evidence.
AWAITING_RESPONSE = (
    *("needs_response", "warning_needs_response", "appeal_needs_response"),
)


@with_history(exclude=["white_label"], untracked=["synced_at"])
class InvoiceAdjustment(models.Model):
    """A credit note, refund or dispute as Stripe has it; the amount is never negative.

    A credit note names its invoice. A refund and a dispute name a payment: their
    invoice is the one that has it among its `payment_ids`, and some have none.
    """

    Kind = AdjustmentKind

    organization = models.ForeignKey(
        "orgs.Organization",
        on_delete=models.PROTECT,
        related_name="invoice_adjustments",
    )
    # Null only in rows written while triggers were off.
    white_label = models.ForeignKey(
        "orgs.WhiteLabel",
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        db_index=False,
    )
    kind = models.CharField(max_length=11, choices=Kind)
    stripe_id = models.CharField(max_length=255, unique=True)
    invoice_stripe_id = models.CharField(max_length=255, blank=True)
    payment_ids = models.TextField(blank=True)  # payment intent and charge, by spaces
    number = models.CharField(max_length=64, blank=True)  # of a credit note
    status = models.CharField(max_length=24)
    reason = models.CharField(max_length=100, blank=True)
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(max_digits=24, decimal_places=3)
    happened_at = models.DateTimeField()  # created in Stripe
    respond_by_at = models.DateTimeField(null=True)  # evidence against a dispute
    synced_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(kind__in=AdjustmentKind.values), name="adjustment_kind"
            ),
            CheckConstraint(
                condition=Q(currency__regex="^[a-z]{3}$"), name="adjustment_currency"
            ),
            *not_negative("adjustment", "amount"),
            *not_empty("adjustment", "stripe_id", "status"),
            *in_range("adjustment", "happened_at", "respond_by_at"),
        ]
        indexes = [
            models.Index(
                fields=["organization", "-happened_at"], name="adjustment_newest"
            ),
            models.Index(
                fields=["white_label", "respond_by_at"],
                condition=Q(status__in=AWAITING_RESPONSE),
                name="adjustment_awaiting",
            ),
        ]
        triggers = [white_label_trigger()]

    def __str__(self) -> str:
        return self.number or self.stripe_id

    @property
    def status_text(self) -> str:
        """Status as words, such as `Under review`."""
        return self.status.replace("_", " ").capitalize()

    @property
    def reason_text(self) -> str:
        """Reason as words, such as `Requested by customer`."""
        return self.reason.replace("_", " ").capitalize()

    @property
    def is_counted(self) -> bool:
        """True if its amount was given back, or is held back while it is disputed."""
        return self.status in COUNTED_STATUSES[AdjustmentKind(self.kind)]

    @property
    def awaits_response(self) -> bool:
        """True if Stripe waits for evidence against a dispute."""
        return self.status in AWAITING_RESPONSE
