"""Prices mirrored from Stripe."""

from django.db import models
from django.db.models import CheckConstraint, Q
from django.utils import timezone

from billing.models.mirrors import Subscription, SubscriptionCycle, SubscriptionKind
from orgs.models.fields import not_empty


class Price(models.Model):
    """Price in Stripe; its product's metadata name the kind and tier that it sells.

    Without a kind, tier or cycle it is an unknown price: subscriptions that have it
    keep their terms and get a warning.
    """

    stripe_id = models.CharField(max_length=255, unique=True)
    stripe_product_id = models.CharField(max_length=255)
    name = models.CharField(max_length=250, blank=True)
    kind = models.CharField(max_length=8, choices=Subscription.Kind, blank=True)
    tier = models.CharField(max_length=32, blank=True)
    cycle = models.CharField(max_length=7, choices=Subscription.Cycle, blank=True)
    unit_amount = models.DecimalField(max_digits=24, decimal_places=3, null=True)
    currency = models.CharField(max_length=3)
    is_active = models.BooleanField(default=True)
    synced_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(kind__in=["", *SubscriptionKind.values]), name="price_kind"
            ),
            CheckConstraint(
                condition=Q(cycle__in=["", *SubscriptionCycle.values]),
                name="price_cycle",
            ),
            CheckConstraint(
                condition=Q(currency__regex="^[a-z]{3}$"), name="price_currency"
            ),
            *not_empty("price", "stripe_id", "stripe_product_id"),
        ]

    def __str__(self) -> str:
        return f"{self.name or self.stripe_id}"

    @property
    def is_known(self) -> bool:
        """True if the price determines the kind, tier and cycle of a subscription."""
        return bool(self.kind and self.tier and self.cycle)
