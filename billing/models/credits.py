"""The ledger of credit and free balance."""

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils import timezone

from orgs.catalog import MONEY_DIGITS, MONEY_PLACES
from orgs.models.fields import new_key, not_empty


class CreditKind(models.TextChoices):
    """The kinds of balances: credit pays at any time, free balance during a trial."""

    CREDIT = "credit"
    FREE_BALANCE = "free_balance", "Free balance"


class CreditEntry(models.Model):
    """An entry of an organization's credit ledger, appended and never edited.

    The balance of each kind is the sum of its entries: granted amounts are above 0,
    removed and used ones below.
    """

    Kind = CreditKind

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.PROTECT, related_name="credit_entries"
    )
    kind = models.CharField(max_length=12, choices=Kind)
    amount = models.DecimalField(max_digits=MONEY_DIGITS, decimal_places=MONEY_PLACES)
    period = models.ForeignKey(  # the one that used it; null for changes by staff
        "billing.BillingPeriod", on_delete=models.PROTECT, null=True, related_name="+"
    )
    note = models.TextField()
    by = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)
    # A change that is requested again under its key is found and not made again.
    idempotency_key = models.CharField(max_length=255, default=new_key)

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(kind__in=CreditKind.values), name="credit_kind"
            ),
            CheckConstraint(condition=~Q(amount=0), name="credit_not_0"),
            UniqueConstraint(
                fields=["organization", "idempotency_key"], name="credit_key_unique"
            ),
            *not_empty("credit", "note", "by", "idempotency_key"),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="credit_by_organization"),
            # The history of all organizations is read by time.
            models.Index(fields=["-created_at", "-id"], name="credit_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.get_kind_display()}"
