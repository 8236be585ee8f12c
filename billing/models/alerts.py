"""Alerts, their emails and recipients.

`Alert` is a threshold that was reached, with the figures of that time. `AlertEmail` is
the outbox, written in the transaction of its alert; `AlertEmailRecipient` is one
address of an email, with the response of its mail host.
"""

from datetime import timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils import timezone

from billing.models.mirrors import white_label_trigger
from orgs.catalog import MONEY_DIGITS, MONEY_PLACES
from orgs.models.fields import not_empty, with_history
from orgs.models.work import RetryPolicy, Work, unfinished_index, work_constraints

# Of a list of percentages: how many, and their range.
MAX_PERCENTS = 8
LEAST_PERCENT, MOST_PERCENT = 1, 500


class AlertState(models.TextChoices):
    """The state of an alert, by that of its email."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    NO_RECIPIENT = "no_recipient", "No recipient"
    SUPPRESSED = "suppressed"


class Alert(models.Model):
    """A threshold that was reached, once per period and version of its limit.

    pending -> sending (its email has a lease) -> sent or failed; no_recipient and
    suppressed are set at once. `reason` is shown to staff.
    """

    State = AlertState

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="alerts"
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
    kind = models.CharField(max_length=16)  # of `billing.alerts.kinds`
    # An entitlement, the Stripe id of a subscription, or empty.
    subject = models.CharField(max_length=255, blank=True)
    # Depending on the kind: an amount, percent of an entitlement, days, or a multiple.
    threshold = models.DecimalField(
        max_digits=MONEY_DIGITS, decimal_places=MONEY_PLACES
    )
    # Number of the billing period, first day of the contract year, or a day.
    period = models.CharField(max_length=32)
    limit_version = models.PositiveIntegerField(default=0)  # 0: no limit
    billing_period = models.PositiveIntegerField()  # the number of the period open then
    facts = models.JSONField()  # as `billing.alerts.commands.facts` builds them
    reached_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=12, choices=State, default=State.PENDING)
    reason = models.CharField(max_length=300, blank=True)
    sent_at = models.DateTimeField(null=True)  # when the first address accepted it

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=[
                    "organization",
                    "kind",
                    "subject",
                    "threshold",
                    "period",
                    "limit_version",
                ],
                name="alert_once",
            ),
            CheckConstraint(
                condition=Q(state__in=AlertState.values),
                name="alert_state",
            ),
            CheckConstraint(
                condition=Q(sent_at__isnull=False) | ~Q(state=AlertState.SENT),
                name="alert_sent_at_sent",
            ),
            *not_empty("alert", "kind", "period"),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="alert_by_organization"),
            models.Index(fields=["white_label", "-id"], name="alert_by_white_label"),
            # Serves the tabs of undelivered alerts: few rows, however many were sent.
            models.Index(
                fields=["white_label", "state", "-id"],
                condition=~Q(state__in=[AlertState.SENT, AlertState.SUPPRESSED]),
                name="alert_unsent",
            ),
            # Spikes and silences of recent days need action: few of all alerts.
            models.Index(
                fields=["white_label", "kind", "-reached_at"],
                condition=Q(kind__in=["spike", "stale_data"]),
                name="alert_occasion",
            ),
        ]
        triggers = [white_label_trigger()]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class AlertEmail(Work):
    """An email to send: work with a lease, done when no recipient is pending.

    `number` 1 is written with its alert; staff request higher numbers. A digest has no
    alert: the recipients of the emails that it combines point to it.
    """

    retries = RetryPolicy(
        lease=timedelta(minutes=3),  # one conversation; renewed before each address
        attempts=15,  # eight hours
        first_wait=timedelta(seconds=30),
        longest_wait=timedelta(hours=1),
        jitter=0.2,  # a host that was down does not get all of them at once
    )

    alert = models.ForeignKey(
        Alert, on_delete=models.CASCADE, null=True, related_name="alert_emails"
    )
    number = models.PositiveIntegerField(default=1)
    organization = models.ForeignKey(  # null: a digest
        "orgs.Organization", on_delete=models.CASCADE, null=True, related_name="+"
    )
    kind = models.CharField(max_length=16)  # the folder of its templates
    # The same for every retry, so that a duplicate can be recognized.
    message_id = models.CharField(max_length=255, unique=True)
    # Empty: written with its alert.
    requested_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            *work_constraints("alert_email"),
            UniqueConstraint(
                fields=["alert", "number"], name="alert_email_number_once"
            ),
            CheckConstraint(condition=Q(number__gte=1), name="alert_email_number"),
            *not_empty("alert_email", "kind", "message_id"),
        ]
        indexes = [
            models.Index(
                fields=["organization", "-id"], name="alert_email_by_organization"
            ),
            unfinished_index("alert_email"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} email {self.pk}"


class RecipientState(models.TextChoices):
    """The delivery state of an address of an email."""

    PENDING = "pending"
    SENT = "sent"
    REFUSED = "refused"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    DIGESTED = "digested"


class AlertEmailRecipient(models.Model):
    """An address of an email and its delivery state.

    pending -> sent, refused (permanently), failed (retries exhausted), suppressed
    (unsubscribed before sending) or digested (combined into the email `digest`).
    """

    State = RecipientState

    alert_email = models.ForeignKey(
        AlertEmail, on_delete=models.CASCADE, related_name="recipients"
    )
    address = models.CharField(max_length=254)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    smtp_code = models.PositiveSmallIntegerField(null=True)
    # The response of the mail host, or why it was not sent.
    reason = models.CharField(max_length=500, blank=True)
    finished_at = models.DateTimeField(null=True)
    digest = models.ForeignKey(
        AlertEmail, on_delete=models.SET_NULL, null=True, related_name="digested"
    )

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["alert_email", "address"], name="alert_email_recipient_once"
            ),
            CheckConstraint(
                condition=Q(state__in=RecipientState.values),
                name="alert_email_recipient_state",
            ),
            CheckConstraint(
                condition=Q(state=RecipientState.PENDING, finished_at=None)
                | ~Q(state=RecipientState.PENDING) & Q(finished_at__isnull=False),
                name="alert_email_recipient_finished_at",
            ),
            *not_empty("alert_email_recipient", "address"),
        ]
        indexes = [
            models.Index(
                fields=["address", "-finished_at"], name="alert_email_recipient_recent"
            ),
            models.Index(
                fields=["address", "id"],
                condition=Q(state=RecipientState.PENDING),
                name="alert_email_recipient_pending",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.state} recipient {self.pk}"


@with_history()
class AlertSettings(models.Model):
    """The alert settings of an organization: recipients, snooze, and percentages.

    Without a row the billing email is a recipient, nothing is snoozed, and alerts are
    sent at the default percentages of limits and entitlements.
    """

    organization = models.OneToOneField(
        "orgs.Organization",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="alert_settings",
    )
    notifies_billing_email = models.BooleanField(default=True, db_default=True)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    # Ascending, without repetitions; null: the default ones.
    limit_percents = ArrayField(
        models.PositiveSmallIntegerField(), null=True, blank=True
    )
    entitlement_percents = ArrayField(
        models.PositiveSmallIntegerField(), null=True, blank=True
    )

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q((f"{name}__isnull", True))
                | Q((f"{name}__len__range", (1, MAX_PERCENTS))),
                name=f"alert_settings_{name}_count",
            )
            for name in ("limit_percents", "entitlement_percents")
        ]

    def __str__(self) -> str:
        return f"alert settings of {self.organization_id}"


@with_history()
class AlertRecipient(models.Model):
    """An additional recipient: a member, by its current address, or an address.

    Or a webhook endpoint, such as a Slack channel: see `billing.webhooks`.
    """

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="alert_recipients"
    )
    member = models.ForeignKey(
        "orgs.Member", on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    address = models.EmailField(max_length=254, blank=True)
    endpoint = models.ForeignKey(
        "billing.WebhookEndpoint",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
    )

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(member=None, endpoint=None) & ~Q(address="")
                | Q(member__isnull=False, endpoint=None, address="")
                | Q(member=None, endpoint__isnull=False, address=""),
                name="alert_recipient_one_of_three",
            ),
            UniqueConstraint(
                fields=["organization", "member", "address", "endpoint"],
                nulls_distinct=False,
                name="alert_recipient_once",
            ),
        ]

    def __str__(self) -> str:
        if self.endpoint_id is not None:
            return f"webhook endpoint {self.endpoint_id}"
        return self.address or f"member {self.member_id}"


@with_history()
class AlertOptOut(models.Model):
    """An address that unsubscribed from a kind of alert; mandatory kinds ignore it.

    Addresses are stored and compared in lower case.
    """

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="alert_opt_outs"
    )
    address = models.EmailField(max_length=254)
    kind = models.CharField(max_length=16)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["organization", "address", "kind"], name="alert_opt_out_once"
            ),
            *not_empty("alert_opt_out", "address", "kind"),
        ]

    def __str__(self) -> str:
        return f"opt-out {self.pk} of {self.kind}"


class AccessState(models.Model):
    """The time since which an organization has exceeded its hard limit.

    Stored for access checks; valid only for that open period and that version of the
    limit. Written by the evaluation of alerts when it changes. Access checks read all
    other reasons directly.
    """

    organization = models.OneToOneField(
        "orgs.Organization",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="access_state",
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
    period = models.PositiveIntegerField()
    limit_version = models.PositiveIntegerField()
    over_since = models.DateTimeField(null=True)  # null: below the limit

    class Meta:
        indexes = [
            models.Index(
                fields=["white_label", "over_since"],
                condition=Q(over_since__isnull=False),
                name="access_state_over",
            ),
        ]
        triggers = [white_label_trigger()]

    def __str__(self) -> str:
        return f"access state of {self.organization_id}"
