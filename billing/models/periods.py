"""Billing periods."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import CheckConstraint, F, Func, Q, UniqueConstraint, Value

from orgs.models.fields import ExactDecimalField, in_range, not_negative


class BillingPeriod(models.Model):
    """The time between two invoices of an organization, half-open.

    The open period has no end. Every event belongs to exactly one period, decided when
    it is recorded. `billing.ledger.commands.periods` opens and closes periods, together
    with `metrics.OpenPeriod`; nothing else may.
    """

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.PROTECT, related_name="billing_periods"
    )
    number = models.PositiveIntegerField()  # counts from 1 per organization
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    # Set when the period closes: the exact, unrounded sum of its daily usage.
    cost = ExactDecimalField(null=True)
    # The parts of the cost that free balance and credit paid; the rest is invoiced.
    free_balance_used = models.DecimalField(
        max_digits=24, decimal_places=12, default=0, db_default=0
    )
    credit_used = models.DecimalField(
        max_digits=24, decimal_places=12, default=0, db_default=0
    )
    # Who closed the period manually and why; empty if an invoice closed it.
    closed_by = models.CharField(max_length=200, blank=True, default="", db_default="")
    note = models.TextField(blank=True, default="", db_default="")
    # What closed the period: a form, a command, an invoice, or a change of terms. None
    # of them closes a second period. Empty while the period is open.
    idempotency_key = models.CharField(
        max_length=255, blank=True, default="", db_default=""
    )

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["organization", "number"], name="billing_period_number_unique"
            ),
            UniqueConstraint(
                fields=["organization", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="billing_period_key_unique",
            ),
            UniqueConstraint(
                fields=["organization"],
                condition=Q(ends_at=None),
                name="billing_period_one_open",
            ),
            CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="billing_period_half_open",
            ),
            CheckConstraint(
                condition=Q(ends_at=None, closed_at=None, cost=None)
                | Q(ends_at__isnull=False, closed_at__isnull=False, cost__gte=0),
                name="billing_period_closed_whole",
            ),
            CheckConstraint(condition=Q(number__gte=1), name="billing_period_number"),
            *not_negative("billing_period", "free_balance_used", "credit_used"),
            *in_range("billing_period", "starts_at", "ends_at", "closed_at"),
            ExclusionConstraint(
                name="billing_period_no_overlap",
                expressions=[
                    ("organization", RangeOperators.EQUAL),
                    (
                        Func(
                            F("starts_at"),
                            F("ends_at"),
                            Value("[)"),
                            function="tstzrange",
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
        ]
        indexes = [
            # The history of all organizations is read by time.
            models.Index(
                fields=["-closed_at", "-id"],
                condition=Q(closed_at__isnull=False),
                name="billing_period_closed",
            ),
        ]

    def __str__(self) -> str:
        return f"period {self.number} of {self.organization_id}"
