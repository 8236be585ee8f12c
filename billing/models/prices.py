"""Prices mirrored from Stripe."""

from django.db import models
from django.db.models import CheckConstraint, Q
from django.utils import timezone

from billing.cycles import INTERVALS, Cycle
from billing.models.mirrors import INTERVAL_CHOICES, SubscriptionKind
from orgs.models.fields import not_empty


class Price(models.Model):
    """Price in Stripe; its product's metadata name the kind and tier that it sells.

    Without a kind, a tier or a cycle (paid once) it is an unknown price: subscriptions
    that have it keep their terms and get a warning.
    """

    stripe_id = models.CharField(max_length=255, unique=True)
    stripe_product_id = models.CharField(max_length=255)
    name = models.CharField(max_length=250, blank=True)
    kind = models.CharField(max_length=8, choices=SubscriptionKind, blank=True)
    tier = models.CharField(max_length=32, blank=True)
    # Empty, with a count of 0, for a price that is paid once.
    cycle_interval = models.CharField(
        max_length=5, choices=INTERVAL_CHOICES, blank=True
    )
    cycle_count = models.PositiveSmallIntegerField(default=0)
    is_metered = models.BooleanField(default=False)  # Stripe counts the quantity
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
                condition=Q(cycle_interval="", cycle_count=0)
                | Q(cycle_interval__in=INTERVALS, cycle_count__gte=1),
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
        return bool(self.kind and self.tier and self.cycle_interval)

    @property
    def cycle(self) -> Cycle | None:
        """How often Stripe bills the price; None for one that is paid once."""
        if not self.cycle_interval:
            return None
        return Cycle(self.cycle_interval, self.cycle_count)
