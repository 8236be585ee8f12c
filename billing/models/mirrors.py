"""Subscriptions and invoices mirrored from Stripe, keyed by `stripe_id`."""

import pgtrigger
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils import timezone

from billing.cycles import INTERVALS, Cycle
from orgs.models.fields import in_order, in_range, not_empty, with_history


class SubscriptionKind(models.TextChoices):
    """Products that an organization can subscribe to."""

    PLATFORM = "platform"
    SPACES = "spaces"


class SubscriptionStatus(models.TextChoices):
    """Stripe's statuses; `paused` also stands for a paused collection."""

    INCOMPLETE = "incomplete"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due", "Past due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    CANCELED = "canceled"


INTERVAL_CHOICES = [(interval, interval.title()) for interval in INTERVALS]


# Statuses in which Stripe serves a subscription. An organization has at most one live
# subscription of each kind.
LIVE = (
    SubscriptionStatus.TRIALING,
    SubscriptionStatus.ACTIVE,
    SubscriptionStatus.PAST_DUE,
    SubscriptionStatus.UNPAID,
    SubscriptionStatus.PAUSED,
)

# Statuses in which Stripe could not collect a payment.
UNPAID = (SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID)

# Statuses that may need action. Without `active`, which most rows have, their index is
# small.
WATCHED = (
    SubscriptionStatus.INCOMPLETE,
    SubscriptionStatus.TRIALING,
    SubscriptionStatus.PAST_DUE,
    SubscriptionStatus.UNPAID,
    SubscriptionStatus.PAUSED,
    SubscriptionStatus.CANCELED,
)


_MOVE = pgtrigger.UpdateOf("organization_id")  # type: ignore[no-untyped-call]


def white_label_trigger() -> pgtrigger.Trigger:
    """Return the trigger that copies `white_label` from the organization.

    An organization never changes its white label. With the copy, queries for one white
    label use an index of these tables instead of joining all organizations.
    """
    return pgtrigger.Trigger(
        name="fill_white_label",
        operation=pgtrigger.Insert | _MOVE,
        when=pgtrigger.Before,
        func="""
            NEW.white_label_id = (select white_label_id from orgs_organization
                where id = NEW.organization_id);
            RETURN NEW;
        """,
    )


def status_since_triggers() -> list[pgtrigger.Trigger]:
    """Return the triggers that set `status_since` when a row gets its status."""
    return [
        pgtrigger.Trigger(
            name="status_began",
            operation=pgtrigger.Insert,
            when=pgtrigger.Before,
            func="NEW.status_since = now(); RETURN NEW;",
        ),
        pgtrigger.Trigger(
            name="status_changed",
            operation=pgtrigger.Update,
            when=pgtrigger.Before,
            condition=pgtrigger.Q(old__status__df=pgtrigger.F("new__status")),
            func="NEW.status_since = now(); RETURN NEW;",
        ),
    ]


@with_history(exclude=["white_label", "status_since"], untracked=["synced_at"])
class Subscription(models.Model):
    """Subscription of an organization to the platform, or to spaces by the seat."""

    Kind = SubscriptionKind

    Status = SubscriptionStatus

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.PROTECT, related_name="subscriptions"
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
    stripe_id = models.CharField(max_length=255, unique=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.PLATFORM)
    status = models.CharField(max_length=10, choices=Status)
    status_since = models.DateTimeField(null=True, editable=False)  # set by a trigger
    tier = models.CharField(max_length=32)
    cycle_interval = models.CharField(
        max_length=5, choices=INTERVAL_CHOICES, default="month"
    )
    cycle_count = models.PositiveSmallIntegerField(default=1)  # of intervals in a cycle
    stripe_price_id = models.CharField(max_length=255)
    seats = models.PositiveIntegerField(null=True, blank=True)
    trial_ends_at = models.DateTimeField(null=True, blank=True)
    cancels_at = models.DateTimeField(null=True, blank=True)
    pause_reason = models.CharField(max_length=200, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    period_starts_at = models.DateTimeField(null=True, blank=True)
    period_ends_at = models.DateTimeField(null=True, blank=True)
    synced_at = models.DateTimeField(default=timezone.now)  # when Stripe was asked

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["organization", "kind"],
                condition=Q(status__in=LIVE),
                name="subscription_one_live",
            ),
            CheckConstraint(
                condition=Q(kind=SubscriptionKind.PLATFORM, seats=None)
                | Q(kind=SubscriptionKind.SPACES),
                name="subscription_seats_of_spaces",
            ),
            CheckConstraint(
                condition=Q(status__in=SubscriptionStatus.values),
                name="subscription_status",
            ),
            CheckConstraint(
                condition=Q(cycle_interval__in=INTERVALS, cycle_count__gte=1),
                name="subscription_cycle",
            ),
            *not_empty("subscription", "stripe_id", "tier", "stripe_price_id"),
            in_order("subscription", "period_starts_at", "period_ends_at"),
            *in_range(
                "subscription",
                "trial_ends_at",
                "cancels_at",
                "paused_at",
                "period_starts_at",
                "period_ends_at",
            ),
        ]
        indexes = [
            models.Index(
                fields=["status", "organization"], name="subscription_by_status"
            ),
            models.Index(
                fields=["white_label", "status", "trial_ends_at"],
                condition=Q(status__in=WATCHED),
                name="subscription_watched",
            ),
        ]
        triggers = [white_label_trigger(), *status_since_triggers()]

    def __str__(self) -> str:
        return f"{self.tier} {self.cycle}"

    @property
    def cycle(self) -> Cycle:
        """How often Stripe bills the subscription; as a text, such as `monthly`."""
        return Cycle(self.cycle_interval, self.cycle_count)


class InvoiceStatus(models.TextChoices):
    """Stripe's statuses of an invoice."""

    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


@with_history(exclude=["white_label"], untracked=["synced_at"])
class Invoice(models.Model):
    """Invoice as Stripe has it; amounts are in its currency and rounded by Stripe."""

    Status = InvoiceStatus

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.PROTECT, related_name="invoices"
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
    period = models.OneToOneField(
        "billing.BillingPeriod",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="invoice",
    )
    stripe_id = models.CharField(max_length=255, unique=True)
    number = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=13, choices=Status)
    currency = models.CharField(max_length=3)
    total = models.DecimalField(max_digits=24, decimal_places=3)
    amount_due = models.DecimalField(max_digits=24, decimal_places=3)
    amount_paid = models.DecimalField(max_digits=24, decimal_places=3, default=0)
    issued_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    hosted_url = models.URLField(max_length=500, blank=True)
    synced_at = models.DateTimeField(default=timezone.now)  # when Stripe was asked

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(status__in=InvoiceStatus.values),
                name="invoice_status",
            ),
            CheckConstraint(
                condition=Q(currency__regex="^[a-z]{3}$"), name="invoice_currency"
            ),
            CheckConstraint(
                condition=Q(amount_paid__gte=0) & Q(amount_due__gte=0),
                name="invoice_amounts_ge_0",
            ),
            *not_empty("invoice", "stripe_id"),
            *in_range("invoice", "issued_at", "due_at", "paid_at"),
        ]
        indexes = [
            models.Index(
                fields=["organization", "-issued_at"], name="invoice_by_issue"
            ),
            models.Index(fields=["status", "due_at"], name="invoice_by_status"),
            models.Index(
                fields=["organization"],
                condition=Q(status=InvoiceStatus.OPEN),
                name="invoice_open_by_owner",
            ),
            models.Index(
                fields=["white_label", "due_at"],
                condition=Q(status=InvoiceStatus.OPEN),
                name="invoice_open_by_due",
            ),
        ]
        triggers = [white_label_trigger()]

    def __str__(self) -> str:
        return self.number or self.stripe_id
