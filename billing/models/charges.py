"""Charges, which closed periods put on invoices."""

from datetime import timedelta

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils import timezone

from orgs.models.fields import ExactDecimalField, new_key, not_empty
from orgs.models.work import (
    RetryPolicy,
    Work,
    failed_index,
    unfinished_index,
    work_constraints,
)


class ChargeKind(models.TextChoices):
    """The kinds of charges: a product's usage, or the credit that pays for some."""

    USAGE = "usage"
    CREDIT = "credit"


class Charge(Work):
    """An amount that a closed period puts on its invoice: one invoice item.

    There is one for each product, and one for the credit used; further ones replace
    what an invoice lost (`ChargeDecision`). Charges are written in the transaction
    that closes the period and sent after it. The row's id is part of
    the idempotency key, so that retries, two workers or a lost answer bill once.
    """

    retries = RetryPolicy(
        lease=timedelta(minutes=3),  # longer than the gateway's deadline for an attempt
        attempts=100,  # about 16 hours at the longest wait
        first_wait=timedelta(seconds=20),
        longest_wait=timedelta(minutes=10),
    )

    Kind = ChargeKind

    period = models.ForeignKey(
        "billing.BillingPeriod", on_delete=models.PROTECT, related_name="charges"
    )
    kind = models.CharField(max_length=6, choices=Kind, default=Kind.USAGE)
    product = models.CharField(max_length=200, blank=True)  # empty for a credit
    cost = ExactDecimalField()  # before the free balance
    # As on the invoice: rounded, after the free balance, below 0 for a credit.
    amount = models.DecimalField(max_digits=24, decimal_places=3)
    currency = models.CharField(max_length=3)
    # Empty while the charge waits for the next draft.
    invoice_stripe_id = models.CharField(max_length=255)
    created_at = models.DateTimeField(default=timezone.now)
    stripe_id = models.CharField(  # of the invoice item, once it exists
        max_length=255, unique=True, null=True, blank=True
    )
    # Above 1 for a charge that replaces one that its invoice lost.
    attempt_number = models.PositiveSmallIntegerField(default=1)

    class Meta:
        constraints = [
            *work_constraints("charge"),
            UniqueConstraint(
                fields=["period", "kind", "product", "attempt_number"],
                name="charge_once_a_period",
            ),
            CheckConstraint(
                condition=Q(kind=ChargeKind.USAGE, cost__gte=0, amount__gte=0)
                | Q(kind=ChargeKind.CREDIT, product="", amount__lte=0),
                name="charge_sign",
            ),
            CheckConstraint(
                condition=~Q(state=Work.State.DONE)
                | Q(stripe_id__isnull=False)
                | Q(amount=0),
                name="charge_done_is_in_stripe",
            ),
        ]
        indexes = [
            unfinished_index("charge"),
            failed_index("charge"),
            models.Index(fields=["invoice_stripe_id"], name="charge_by_invoice"),
        ]

    def __str__(self) -> str:
        return f"{self.product or self.kind} of period {self.period_id}"


class ChargeLine(models.Model):
    """The line of a charge on one of Stripe's invoices, as Stripe has it.

    It is written with Stripe's answer when the item is created, and again whenever the
    invoice is read. A charge that Stripe copied to a reissued invoice has a line on
    each. The line's invoice is mirrored as `Invoice`, and may be void.
    """

    charge = models.ForeignKey(Charge, on_delete=models.PROTECT, related_name="lines")
    invoice_stripe_id = models.CharField(max_length=255)
    item_stripe_id = models.CharField(max_length=255)  # of the invoice item
    amount = models.DecimalField(max_digits=24, decimal_places=3)
    # The part that credit notes took off the line again.
    credited_amount = models.DecimalField(max_digits=24, decimal_places=3, default=0)
    read_at = models.DateTimeField()  # before Stripe was asked

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["invoice_stripe_id", "item_stripe_id"],
                name="charge_line_once_an_invoice",
            ),
            *not_empty("charge_line", "invoice_stripe_id", "item_stripe_id"),
        ]

    def __str__(self) -> str:
        return f"{self.item_stripe_id} on {self.invoice_stripe_id}"


class ChargeDecisionKind(models.TextChoices):
    """What became of an amount that a charge's invoice does not have."""

    CHARGE_AGAIN = "charge_again", "Charged again"
    WRITE_OFF = "write_off", "Written off"
    RETURN = "return", "Returned as credit"


class ChargeDecision(models.Model):
    """The decision about an amount of a charge that is not on its invoice.

    A person makes it, or Orgdesk for the credit of a void invoice. The amounts of a
    charge's decisions and lines add up to the amount of the charge; what is left is a
    discrepancy. Rows are appended and never edited.
    """

    Kind = ChargeDecisionKind

    charge = models.ForeignKey(
        Charge, on_delete=models.PROTECT, related_name="decisions"
    )
    kind = models.CharField(max_length=12, choices=Kind)
    # Below 0 for a credit, and for what an invoice has too much of.
    amount = models.DecimalField(max_digits=24, decimal_places=3)
    new_charge = models.OneToOneField(  # of an amount that is charged again
        Charge, on_delete=models.PROTECT, null=True, related_name="replaces"
    )
    note = models.TextField()
    by = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)
    idempotency_key = models.CharField(max_length=255, default=new_key)

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["charge", "idempotency_key"], name="charge_decision_key_unique"
            ),
            CheckConstraint(
                condition=Q(kind__in=ChargeDecisionKind.values),
                name="charge_decision_kind",
            ),
            CheckConstraint(condition=~Q(amount=0), name="charge_decision_not_0"),
            CheckConstraint(
                condition=Q(kind=ChargeDecisionKind.CHARGE_AGAIN, amount__gt=0)
                & Q(new_charge__isnull=False)
                | ~Q(kind=ChargeDecisionKind.CHARGE_AGAIN) & Q(new_charge=None),
                name="charge_decision_new_charge",
            ),
            *not_empty("charge_decision", "note", "by", "idempotency_key"),
        ]
        indexes = [
            # The history of all organizations is read by time.
            models.Index(fields=["-created_at", "-id"], name="charge_decision_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.get_kind_display()}"
