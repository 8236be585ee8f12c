"""Items of subscriptions, mirrored from Stripe."""

from django.db import models
from django.db.models import CheckConstraint, Q
from django.utils import timezone

from billing.models.mirrors import SubscriptionKind
from orgs.models.fields import in_order, in_range, not_empty


class SubscriptionItem(models.Model):
    """An item of a subscription in Stripe that Orgdesk sells: a price and a quantity.

    A subscription may have several: the plan, seats at one price or more, and metered
    prices. `Subscription` has one row for each kind of them, with the terms of its main
    item. Stripe deletes an item that is removed, and so does the mirror.
    """

    organization = models.ForeignKey(
        "orgs.Organization",
        on_delete=models.PROTECT,
        related_name="subscription_items",
    )
    stripe_id = models.CharField(max_length=255, unique=True)
    subscription_stripe_id = models.CharField(max_length=255)
    kind = models.CharField(max_length=8, choices=SubscriptionKind)
    tier = models.CharField(max_length=32)
    stripe_price_id = models.CharField(max_length=255)
    quantity = models.PositiveBigIntegerField(null=True)  # null: Stripe counts it
    period_starts_at = models.DateTimeField()
    period_ends_at = models.DateTimeField()
    synced_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(kind__in=SubscriptionKind.values),
                name="subscription_item_kind",
            ),
            *not_empty(
                "subscription_item",
                "stripe_id",
                "subscription_stripe_id",
                "tier",
                "stripe_price_id",
            ),
            in_order("subscription_item", "period_starts_at", "period_ends_at"),
            *in_range("subscription_item", "period_starts_at", "period_ends_at"),
        ]
        indexes = [
            models.Index(
                fields=["subscription_stripe_id"], name="subscription_item_by_parent"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stripe_price_id} of {self.subscription_stripe_id}"
