"""The ledger of alerts, the letters that tell of them, and who is told.

`Alert` is what happened: one row for each crossing, with the numbers of that moment.
`Letter` is the outbox, made in the transaction of its alert; `LetterRecipient` is each
address of it and what its host said.
"""

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils import timezone

from billing.models.accounts import MONEY_DIGITS, MONEY_PLACES
from billing.models.mirrors import of_its_organization
from billing.models.work import Work, unfinished_index, work_constraints
from orgs.models.fields import not_empty, with_history


class Alert(models.Model):
    """A threshold that was crossed: once for each period and version of its limit.

    pending -> sending (its letter has a lease) -> sent, failed; no_recipient and
    suppressed from the beginning. `reason` says why, for people.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        SENDING = "sending"
        SENT = "sent"
        FAILED = "failed"
        NO_RECIPIENT = "no_recipient", "No recipient"
        SUPPRESSED = "suppressed"

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
    kind = models.CharField(max_length=16)  # of `billing.catalog`
    # What of the organization: an entitlement, a subscription's Stripe id; often none.
    subject = models.CharField(max_length=255, blank=True)
    # An amount of money, per cent of an entitlement, days, times: as the kind says.
    threshold = models.DecimalField(
        max_digits=MONEY_DIGITS, decimal_places=MONEY_PLACES
    )
    # Number of the billing period, first day of the contract year, or a day.
    period = models.CharField(max_length=32)
    limit_version = models.PositiveIntegerField(default=0)  # 0: of what has no limit
    billing_period = models.PositiveIntegerField()  # the number of the one open then
    facts = models.JSONField()  # as `billing.commands.alerts.facts` freezes them
    crossed_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=12, choices=State, default=State.PENDING)
    reason = models.CharField(max_length=300, blank=True)
    sent_at = models.DateTimeField(null=True)  # to the first address that took it

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
                condition=Q(
                    state__in=[
                        "pending",
                        "sending",
                        "sent",
                        "failed",
                        "no_recipient",
                        "suppressed",
                    ]
                ),
                name="alert_state",
            ),
            CheckConstraint(
                condition=Q(sent_at__isnull=False) | ~Q(state="sent"),
                name="alert_sent_at_sent",
            ),
            *not_empty("alert", "kind", "period"),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="alert_by_organization"),
            models.Index(fields=["white_label", "-id"], name="alert_by_white_label"),
            # What somebody may have to look at: few, however many were sent.
            models.Index(
                fields=["white_label", "state", "-id"],
                condition=~Q(state__in=["sent", "suppressed"]),
                name="alert_unsent",
            ),
        ]
        triggers = [of_its_organization()]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Letter(Work):
    """An e-mail to send: work with a lease. Done when each address is settled.

    `number` 1 is the crossing's own, made with its alert; more are what people asked to
    be sent again. A digest has no alert: recipients of other letters point to it.
    """

    alert = models.ForeignKey(
        Alert, on_delete=models.CASCADE, null=True, related_name="letters"
    )
    number = models.PositiveIntegerField(default=1)
    organization = models.ForeignKey(  # null: a digest of several
        "orgs.Organization", on_delete=models.CASCADE, null=True, related_name="+"
    )
    kind = models.CharField(max_length=16)  # the letter's folder
    # Stable: whoever gets a letter twice after a kill can see that it is the same.
    message_id = models.CharField(max_length=255, unique=True)
    requested_by = models.CharField(max_length=200, blank=True)  # empty: the crossing

    class Meta:
        constraints = [
            *work_constraints("letter"),
            UniqueConstraint(fields=["alert", "number"], name="letter_once_an_alert"),
            CheckConstraint(condition=Q(number__gte=1), name="letter_number"),
            *not_empty("letter", "kind", "message_id"),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="letter_by_organization"),
            unfinished_index("letter"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} letter {self.pk}"


class LetterRecipient(models.Model):
    """An address of a letter and what became of it; a refusal of one is not of all.

    pending -> sent, refused (for good), failed (given up), suppressed (opted out
    since), digested (told in the letter `digest`).
    """

    class State(models.TextChoices):
        PENDING = "pending"
        SENT = "sent"
        REFUSED = "refused"
        FAILED = "failed"
        SUPPRESSED = "suppressed"
        DIGESTED = "digested"

    letter = models.ForeignKey(
        Letter, on_delete=models.CASCADE, related_name="recipients"
    )
    address = models.CharField(max_length=254)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    smtp_code = models.PositiveSmallIntegerField(null=True)
    words = models.CharField(max_length=500, blank=True)  # the host's, or ours
    settled_at = models.DateTimeField(null=True)
    digest = models.ForeignKey(
        Letter, on_delete=models.SET_NULL, null=True, related_name="digested"
    )

    class Meta:
        constraints = [
            UniqueConstraint(fields=["letter", "address"], name="letter_address_once"),
            CheckConstraint(
                condition=Q(
                    state__in=[
                        "pending",
                        "sent",
                        "refused",
                        "failed",
                        "suppressed",
                        "digested",
                    ]
                ),
                name="letter_recipient_state",
            ),
            CheckConstraint(
                condition=Q(state="pending", settled_at=None)
                | ~Q(state="pending") & Q(settled_at__isnull=False),
                name="letter_recipient_settled",
            ),
            *not_empty("letter_recipient", "address"),
        ]
        indexes = [
            models.Index(
                fields=["address", "-settled_at"], name="letter_recipient_lately"
            ),
            models.Index(
                fields=["address", "id"],
                condition=Q(state="pending"),
                name="letter_recipient_pending",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.state} recipient {self.pk}"


@with_history()
class AlertSettings(models.Model):
    """Whether an organization's billing e-mail is told, and until when nobody is.

    No row: the billing e-mail is told of everything.
    """

    organization = models.OneToOneField(
        "orgs.Organization",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="alert_settings",
    )
    tells_billing_email = models.BooleanField(default=True, db_default=True)
    snoozed_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"alert settings of {self.organization_id}"


@with_history()
class AlertRecipient(models.Model):
    """Somebody else who is told: a member, by the address of now, or an address."""

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="alert_recipients"
    )
    member = models.ForeignKey(
        "orgs.Member", on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    address = models.EmailField(max_length=254, blank=True)

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(member=None) & ~Q(address="")
                | Q(member__isnull=False, address=""),
                name="alert_recipient_one_way",
            ),
            UniqueConstraint(
                fields=["organization", "member", "address"],
                nulls_distinct=False,
                name="alert_recipient_once",
            ),
        ]

    def __str__(self) -> str:
        return self.address or f"member {self.member_id}"


@with_history()
class AlertOptOut(models.Model):
    """An address that wants no letters of a kind; of a duty it still gets them.

    Addresses are kept lower case and compared so.
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
    """Since when an organization is over its hard limit: prepared for `access`.

    Holds only for that open period and that version of the limit; written when it
    changes, by whoever evaluates. All other reasons are columns read as they are.
    """

    organization = models.OneToOneField(
        "orgs.Organization",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="access_state",
    )
    period = models.PositiveIntegerField()
    limit_version = models.PositiveIntegerField()
    over_since = models.DateTimeField(null=True)  # null: not over any more

    def __str__(self) -> str:
        return f"access state of {self.organization_id}"
