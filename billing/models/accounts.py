"""Billing accounts and spending limits of organizations."""

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from orgs.catalog import MONEY_DIGITS, MONEY_PLACES
from orgs.models.fields import in_range, not_negative, with_history


@with_history()
class BillingAccount(models.Model):
    """The billing data of an organization: its Stripe customer and free balance."""

    organization = models.OneToOneField(
        "orgs.Organization",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="billing_account",
    )
    # Null when the organization has no customer in Stripe. Unique, because two
    # organizations billed as one customer would pay for each other.
    stripe_id = models.CharField(
        "Stripe customer", max_length=255, unique=True, null=True, blank=True
    )
    free_balance = models.DecimalField(
        max_digits=MONEY_DIGITS,
        decimal_places=MONEY_PLACES,
        default=0,
        help_text="Applied to usage before charges, only during the trial.",
    )
    last_invoice_at = models.DateTimeField(
        null=True, blank=True, help_text="Time of the last cost sync with Stripe."
    )

    class Meta:
        constraints = [
            *not_negative("billing_account", "free_balance"),
            *in_range("billing_account", "last_invoice_at"),
            CheckConstraint(
                condition=~Q(stripe_id=""), name="billing_account_stripe_id_given"
            ),
        ]

    def __str__(self) -> str:
        return f"Billing account of {self.organization}"


class LimitKind(models.TextChoices):
    """The kinds of spending limits: a soft one alerts, a hard one rejects requests."""

    SOFT = "soft"
    HARD = "hard"


@with_history()
class SpendingLimit(models.Model):
    """A soft or hard limit on the open period's cost; null or 0 is no limit.

    `version` counts its changes. An alert is sent once per period and version, so that
    changing a limit re-arms its alerts.
    """

    Kind = LimitKind

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="spending_limits"
    )
    kind = models.CharField(max_length=4, choices=Kind)
    amount = models.DecimalField(
        max_digits=MONEY_DIGITS, decimal_places=MONEY_PLACES, null=True, blank=True
    )
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["organization", "kind"], name="spending_limit_unique"
            ),
            CheckConstraint(
                condition=Q(kind__in=LimitKind.values), name="spending_limit_kind"
            ),
            *not_negative("spending_limit", "amount"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} limit of {self.organization}"
