"""Stripe's previews of the next invoices of subscriptions."""

from django.db import models
from django.db.models import CheckConstraint, Q

from orgs.models.fields import not_empty


class UpcomingInvoice(models.Model):
    """What Stripe would bill next for a subscription, as of `read_at`.

    It has what Stripe prices: plan, seats, prorations, discounts and tax; usage is not
    in it, but what Stripe would take off and add to an amount of usage is. It counts
    only while the subscription's terms are those that it was read for.
    """

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="upcoming_invoices"
    )
    subscription_stripe_id = models.CharField(max_length=255, unique=True)
    # A digest of the mirrored terms: see `billing.forecast.queries.invoice_terms`.
    terms = models.CharField(max_length=64)
    has_invoice = models.BooleanField()  # false: Stripe bills nothing any more
    currency = models.CharField(max_length=3, blank=True)
    # A list of {"description", "amount" (text), "price", "is_proration"}.
    lines = models.JSONField(default=list)
    discount = models.DecimalField(max_digits=24, decimal_places=3, default=0)
    tax = models.DecimalField(max_digits=24, decimal_places=3, default=0)
    # The customer's balance in Stripe: below 0 for credit.
    customer_balance = models.DecimalField(max_digits=24, decimal_places=3, default=0)
    # The usage that Stripe was asked about, with its discount and tax; 0 if none was,
    # null if Stripe's answer did not state it.
    usage_amount = models.DecimalField(max_digits=24, decimal_places=3, null=True)
    usage_discount = models.DecimalField(max_digits=24, decimal_places=3, default=0)
    usage_tax = models.DecimalField(max_digits=24, decimal_places=3, default=0)
    # Digests of discounts and taxes that are not mirrored, as they were last seen: of
    # the "subscription" and the "customer".
    pricing = models.JSONField(default=dict)
    read_at = models.DateTimeField()  # before Stripe was asked
    # When something in Stripe that it depends on changed; null once it was read again.
    outdated_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(has_invoice=False)
                | Q(has_invoice=True, currency__regex="^[a-z]{3}$"),
                name="upcoming_invoice_currency",
            ),
            *not_empty("upcoming_invoice", "subscription_stripe_id", "terms"),
        ]
        indexes = [
            models.Index(fields=["read_at"], name="upcoming_invoice_by_age"),
            models.Index(
                fields=["outdated_at"],
                condition=Q(outdated_at__isnull=False),
                name="upcoming_invoice_outdated",
            ),
        ]

    def __str__(self) -> str:
        return f"upcoming invoice of {self.subscription_stripe_id}"
