"""Subscriptions and invoices mirrored from Stripe, keyed by `stripe_id`."""

from datetime import datetime
from decimal import Decimal

import pgtrigger
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint
from django.utils import timezone

from billing.cycles import INTERVALS, Cycle
from orgs.models.fields import (
    in_order,
    in_range,
    not_empty,
    not_negative,
    with_history,
)
from orgs.models.search import SearchKey


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
    """What a subscription in Stripe sells of one kind: the platform, or spaces by seat.

    A subscription that sells both has two rows with the same `stripe_id`. The terms are
    those of the main item of the kind, see `SubscriptionItem`; `seats` are those of all
    its items.
    """

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
    stripe_id = models.CharField(max_length=255)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.PLATFORM)
    # The main item; empty in rows that were not read from Stripe.
    stripe_item_id = models.CharField(
        max_length=255, blank=True, default="", db_default=""
    )
    status = models.CharField(max_length=10, choices=Status)
    status_since = models.DateTimeField(null=True, editable=False)  # set by a trigger
    tier = models.CharField(max_length=32)
    cycle_interval = models.CharField(
        max_length=5, choices=INTERVAL_CHOICES, default="month"
    )
    cycle_count = models.PositiveSmallIntegerField(default=1)  # of intervals in a cycle
    stripe_price_id = models.CharField(max_length=255)
    seats = models.PositiveIntegerField(null=True, blank=True)
    began_at = models.DateTimeField(null=True, blank=True)  # created in Stripe
    trial_starts_at = models.DateTimeField(null=True, blank=True)
    trial_ends_at = models.DateTimeField(null=True, blank=True)
    # From when Stripe counts the cycles: later than the beginning if it was restarted.
    cycle_anchor_at = models.DateTimeField(null=True, blank=True)
    cancels_at = models.DateTimeField(null=True, blank=True)
    pause_reason = models.CharField(max_length=200, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    period_starts_at = models.DateTimeField(null=True, blank=True)
    period_ends_at = models.DateTimeField(null=True, blank=True)
    synced_at = models.DateTimeField(default=timezone.now)  # when Stripe was asked

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["stripe_id", "kind"], name="subscription_once_a_kind"
            ),
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
                "began_at",
                "trial_starts_at",
                "trial_ends_at",
                "cycle_anchor_at",
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
            # The unique index has another order of characters than a prefix needs.
            models.Index(
                fields=["stripe_id"],
                name="subscription_by_stripe_id",
                opclasses=["varchar_pattern_ops"],
            ),
            # Paused collection: Stripe keeps the status of such a subscription.
            models.Index(
                fields=["white_label", "paused_at"],
                condition=Q(paused_at__isnull=False, status__in=LIVE),
                name="subscription_paused",
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


class CollectionMethod(models.TextChoices):
    """How an invoice is paid: Stripe charges it, or the customer gets it by email."""

    CHARGE_AUTOMATICALLY = "charge_automatically", "Charged automatically"
    SEND_INVOICE = "send_invoice", "Sent as an invoice"


def overdue_trigger() -> pgtrigger.Trigger:
    """Return the trigger that sets `overdue_from`: the one rule of what is overdue.

    Only an open invoice of which something remains to be paid is overdue:

    - one that was sent is due on its date, and overdue from then on;
    - one that Stripe charges automatically has no such date. It is due when it is
      issued, and, once an attempt to charge it was made, overdue since then. Stripe
      counts attempts, not failures: a bank debit that is on its way for days counts;
    - one without a date that no attempt is planned for is overdue a day after it was
      issued. For a few seconds this is true of every invoice, before Stripe plans its
      first attempt.

    It is a column and not an expression, so that an index finds what is overdue.
    """
    return pgtrigger.Trigger(
        name="fill_overdue_from",
        operation=pgtrigger.Insert | pgtrigger.Update,
        when=pgtrigger.Before,
        func=f"""
            NEW.overdue_from = case
                when NEW.status <> '{InvoiceStatus.OPEN}' or NEW.amount_remaining <= 0
                    then null
                when NEW.collection_method = '{CollectionMethod.SEND_INVOICE}'
                    and NEW.due_at is not null then NEW.due_at
                when NEW.attempt_count > 0 then NEW.issued_at
                when NEW.next_attempt_at is null
                    then NEW.issued_at + interval '24 hours' end;
            RETURN NEW;
        """,
    )


@with_history(
    exclude=["white_label", "overdue_from", "has_final_lines", "price_totals"],
    untracked=["synced_at", "has_final_lines", "price_totals"],
)
class Invoice(models.Model):
    """Invoice as Stripe has it; amounts are in its currency and rounded by Stripe.

    `amount_remaining` is what is still to be paid, after payments and credit notes.
    """

    Status = InvoiceStatus

    Method = CollectionMethod

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
    amount_remaining = models.DecimalField(max_digits=24, decimal_places=3, default=0)
    # By credit notes: the first lowered what was due, the second gave back what was
    # paid.
    credited_before_payment = models.DecimalField(
        max_digits=24, decimal_places=3, default=0
    )
    credited_after_payment = models.DecimalField(
        max_digits=24, decimal_places=3, default=0
    )
    issued_at = models.DateTimeField()  # finalized; of a draft, created
    collection_method = models.CharField(
        max_length=20, choices=Method, default=Method.CHARGE_AUTOMATICALLY
    )
    due_at = models.DateTimeField(null=True, blank=True)  # of an invoice that was sent
    attempt_count = models.PositiveIntegerField(
        default=0
    )  # of payments that were tried
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    overdue_from = models.DateTimeField(null=True, editable=False)  # set by a trigger
    paid_at = models.DateTimeField(null=True, blank=True)
    hosted_url = models.URLField(max_length=500, blank=True)
    # Payment intents and charges that paid it, by spaces: refunds name only these.
    payment_ids = models.TextField(blank=True, default="", db_default="")
    # Of an invoice with more lines than lists have: all of them were read after it was
    # finalized, and they cannot change any more.
    has_final_lines = models.BooleanField(default=False, db_default=False)
    # The sum of the lines of each price, as text, without those of Orgdesk's charges.
    # Discounts and taxes are not in it. Null: not all lines were read.
    price_totals = models.JSONField(null=True, editable=False)
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
                condition=Q(collection_method__in=CollectionMethod.values),
                name="invoice_collection_method",
            ),
            *not_negative(
                "invoice",
                "amount_due",
                "amount_paid",
                "credited_before_payment",
                "credited_after_payment",
            ),
            *not_empty("invoice", "stripe_id"),
            *in_range("invoice", "issued_at", "due_at", "paid_at", "next_attempt_at"),
        ]
        indexes = [
            models.Index(
                fields=["organization", "-issued_at"], name="invoice_by_issue"
            ),
            models.Index(
                fields=["overdue_from"],
                condition=Q(overdue_from__isnull=False),
                name="invoice_overdue",
            ),
            models.Index(
                fields=["organization"],
                condition=Q(status=InvoiceStatus.OPEN),
                name="invoice_open_by_owner",
            ),
            models.Index(
                fields=["white_label", "overdue_from"],
                condition=Q(overdue_from__isnull=False),
                name="invoice_overdue_by_label",
            ),
            # Callers read out a part of the number.
            GinIndex(
                OpClass(SearchKey(F("number")), name="gin_trgm_ops"),
                name="invoice_search",
            ),
        ]
        triggers = [white_label_trigger(), overdue_trigger()]

    def __str__(self) -> str:
        return self.number or self.stripe_id

    @property
    def due_from(self) -> datetime | None:
        """Instant from which payment is due; None for a draft.

        An invoice without a due date is due as soon as it is issued.
        """
        is_draft = self.status == InvoiceStatus.DRAFT
        return None if is_draft else self.due_at or self.issued_at

    @property
    def owed(self) -> Decimal:
        """What the customer still has to pay; 0 unless the invoice is open."""
        is_open = self.status == InvoiceStatus.OPEN
        return self.amount_remaining if is_open else Decimal(0)

    @property
    def is_overdue(self) -> bool:
        """True if something is owed and was due before now; see `overdue_trigger`."""
        return self.overdue_from is not None and self.overdue_from <= timezone.now()
