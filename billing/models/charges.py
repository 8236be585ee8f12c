"""Charges, which closed periods put on invoices."""

from datetime import timedelta

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils import timezone

from orgs.models.fields import ExactDecimalField
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

    There is one for each product, and one for the credit used. Charges are written in
    the transaction that closes the period and sent after it. The row's id is part of
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
    product = models.CharField(max_length=100, blank=True)  # empty for a credit
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

    class Meta:
        constraints = [
            *work_constraints("charge"),
            UniqueConstraint(
                fields=["period", "kind", "product"], name="charge_once_a_period"
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
        indexes = [unfinished_index("charge"), failed_index("charge")]

    def __str__(self) -> str:
        return f"{self.product or self.kind} of period {self.period_id}"
