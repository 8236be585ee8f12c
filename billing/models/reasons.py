"""Prepared reasons for action that come from usage, and snoozes of reasons."""

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils import timezone

from billing.models.mirrors import white_label_trigger
from orgs.models.fields import ExactDecimalField, in_order, not_empty, with_history


class UsageReason(models.Model):
    """A limit or entitlement that an organization has reached, or will, right now.

    Prepared by a task and seconds old. Only organizations with such a reason have rows,
    so that those that need action are found without reading usage.
    """

    organization = models.ForeignKey(
        "orgs.Organization",
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,  # the unique index starts with it
    )
    # Null only in rows written while triggers were off.
    white_label = models.ForeignKey(
        "orgs.WhiteLabel",
        on_delete=models.CASCADE,
        null=True,
        editable=False,
        related_name="+",
        db_index=False,
    )
    kind = models.CharField(max_length=24)  # of `billing.needs_action.kinds`
    # A kind of limit, an entitlement, or a product and meter.
    subject = models.CharField(max_length=500, blank=True)
    since = models.DateTimeField(default=timezone.now)
    value = ExactDecimalField()  # what is used
    base = ExactDecimalField()  # what it is compared with
    reached_on = models.DateField(null=True)  # the projected day

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["organization", "kind", "subject"], name="usage_reason_once"
            ),
            *not_empty("usage_reason", "kind"),
        ]
        indexes = [
            models.Index(
                fields=["white_label", "kind", "since"], name="usage_reason_by_kind"
            ),
        ]
        triggers = [white_label_trigger()]

    def __str__(self) -> str:
        return f"{self.kind} of {self.organization_id}"


class SnoozeEnding(models.TextChoices):
    """What ends a snooze."""

    EXPIRED = "expired", "Expired"
    WORSE = "worse", "Reason got worse"
    GONE = "gone", "Reason resolved"
    PERSON = "person", "Ended by a person"


@with_history(exclude=["white_label"])
class ReasonSnooze(models.Model):
    """A reason for action that is hidden until an instant, with the note of a person.

    It ends earlier when the reason gets worse (`level` rises), or is gone.
    """

    Ending = SnoozeEnding

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="reason_snoozes"
    )
    # Null only in rows written while triggers were off.
    white_label = models.ForeignKey(
        "orgs.WhiteLabel",
        on_delete=models.CASCADE,
        null=True,
        editable=False,
        related_name="+",
        db_index=False,
    )
    reason = models.CharField(max_length=24)  # a kind of `billing.needs_action.kinds`
    until = models.DateTimeField()
    note = models.CharField(max_length=1_000)
    by = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)
    # The reason as it was: since when, and how bad; see `Reason.level`.
    reason_at = models.DateTimeField(null=True)
    level = models.PositiveIntegerField(default=1)
    ended_at = models.DateTimeField(null=True)
    ending = models.CharField(max_length=7, choices=SnoozeEnding, blank=True)
    ended_by = models.CharField(max_length=200, blank=True)  # empty: no person

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["organization", "reason"],
                condition=Q(ended_at=None),
                name="reason_snooze_one_open",
            ),
            CheckConstraint(
                condition=Q(ended_at=None, ending="")
                | Q(ended_at__isnull=False) & ~Q(ending=""),
                name="reason_snooze_ending",
            ),
            in_order("reason_snooze", "created_at", "ended_at"),
            in_order("reason_snooze", "created_at", "until"),
            *not_empty("reason_snooze", "reason", "note", "by"),
        ]
        indexes = [
            models.Index(
                fields=["white_label", "organization"],
                condition=Q(ended_at=None),
                name="reason_snooze_open",
            ),
        ]
        triggers = [white_label_trigger()]

    def __str__(self) -> str:
        return f"snooze of {self.reason} of {self.organization_id}"
