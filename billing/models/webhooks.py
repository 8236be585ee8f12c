"""Webhook endpoints, the outbox of their events, and the deliveries of these.

`OutgoingEvent` is the outbox: a row is written in the transaction of the fact that it
reports, with its payload, together with a `WebhookDelivery` for each endpoint that
wants it. Stripe's own webhooks come in as `StripeEvent`.
"""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils import timezone

from orgs.models.fields import in_range, not_empty, with_history
from orgs.models.work import (
    UNFINISHED,
    RetryPolicy,
    Work,
    WorkState,
    unfinished_index,
    work_constraints,
)

MAX_URL = 2_000
MAX_ANSWER = 8_192  # characters of an answer that are stored


class EndpointKind(models.TextChoices):
    """What receives the events, and in which format."""

    WEBHOOK = "webhook", "Webhook"
    SLACK = "slack", "Slack"
    TEAMS = "teams", "Microsoft Teams"
    PAGERDUTY = "pagerduty", "PagerDuty"


class DisabledBecause(models.TextChoices):
    """Why nothing is sent to an endpoint."""

    PERSON = "person", "Disabled by a person"
    GONE = "gone", "The endpoint answered 410 Gone"
    FAILING = "failing", "Every delivery failed for three days"


FAULTS = (DisabledBecause.GONE, DisabledBecause.FAILING)
_PROGRESS = ["failures", "failing_since", "held_until", "last_success_at"]


@with_history(exclude=["secret", "old_secret", "uuid", *_PROGRESS], untracked=_PROGRESS)
class WebhookEndpoint(models.Model):
    """A receiver of events: of a whole white label, or of one organization.

    `secret` is encrypted for this row and never shown again: the signing secret of a
    webhook, the URL of a Slack or Teams workflow, the routing key of PagerDuty. After a
    rotation deliveries are also signed with `old_secret` for a while. History does not
    store secrets; `set_at` shows when one was replaced.

    While deliveries fail, `failures` counts them in a row, and none is tried before
    `held_until`: an endpoint that hangs must not keep the sender from the others.
    """

    Kind = EndpointKind
    DisabledBecause = DisabledBecause

    white_label = models.ForeignKey(
        "orgs.WhiteLabel", on_delete=models.CASCADE, related_name="webhook_endpoints"
    )
    organization = models.ForeignKey(  # null: of all organizations
        "orgs.Organization",
        on_delete=models.CASCADE,
        null=True,
        related_name="webhook_endpoints",
    )
    kind = models.CharField(max_length=9, choices=Kind, default=Kind.WEBHOOK)
    url = models.CharField(max_length=MAX_URL)  # masked where it is itself the secret
    description = models.CharField(max_length=200, blank=True)
    event_types = ArrayField(models.CharField(max_length=64))  # `*`: all of them
    uuid = models.UUIDField(default=uuid4, editable=False, unique=True)
    secret = models.BinaryField(max_length=4_096)
    set_at = models.DateTimeField(default=timezone.now)
    old_secret = models.BinaryField(max_length=4_096, null=True)
    overlap_ends_at = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    disabled_at = models.DateTimeField(null=True)
    disabled_because = models.CharField(
        max_length=7, choices=DisabledBecause, blank=True
    )
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    held_until = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(kind__in=EndpointKind.values), name="webhook_endpoint_kind"
            ),
            CheckConstraint(
                condition=Q(disabled_at=None, disabled_because="")
                | Q(
                    disabled_at__isnull=False,
                    disabled_because__in=DisabledBecause.values,
                ),
                name="webhook_endpoint_disabled",
            ),
            CheckConstraint(
                condition=Q(event_types__len__gte=1),
                name="webhook_endpoint_event_types_given",
            ),
            CheckConstraint(
                condition=Q(old_secret=None, overlap_ends_at=None)
                | Q(old_secret__isnull=False, overlap_ends_at__isnull=False),
                name="webhook_endpoint_old_secret_ends",
            ),
            *not_empty("webhook_endpoint", "url"),
            *in_range("webhook_endpoint", "created_at", "updated_at", "disabled_at"),
        ]
        indexes = [
            models.Index(fields=["white_label", "-id"], name="webhook_endpoint_newest"),
            # Endpoints that were disabled for a fault need action: few of all.
            models.Index(
                fields=["white_label", "disabled_at"],
                condition=Q(disabled_because__in=["gone", "failing"]),
                name="webhook_endpoint_faulty",
            ),
        ]

    def __str__(self) -> str:
        return self.description or self.url

    @property
    def is_enabled(self) -> bool:
        return self.disabled_at is None

    @property
    def is_failing(self) -> bool:
        """True while it is enabled and its last delivery failed."""
        return self.is_enabled and self.failures > 0


def associated_data(uuid: UUID) -> str:
    """Return the associated data that binds the secrets of an endpoint to its row."""
    return f"billing.WebhookEndpoint:{uuid}"


def new_event_key() -> str:
    """Return the public ID of a new event: the `webhook-id` of all its deliveries."""
    return f"evt_{uuid4().hex}"


class OutgoingEvent(models.Model):
    """An event in the outbox: what happened to an object, and the body that reports it.

    `payload` is the exact text that is sent and signed, the same for every attempt.
    Deliveries of one object to one endpoint keep the order of their ids: the fact's own
    lock, such as that of the organization's row, orders the writers of an object.
    """

    key = models.CharField(max_length=40, unique=True, default=new_event_key)
    type = models.CharField(max_length=64)  # of `billing.webhooks.event_types`
    white_label = models.ForeignKey(
        "orgs.WhiteLabel", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    organization = models.ForeignKey(  # null: a test event of a white label
        "orgs.Organization", on_delete=models.CASCADE, null=True, related_name="+"
    )
    object_key = models.CharField(max_length=600)
    payload = models.TextField()
    is_test = models.BooleanField(default=False)
    occurred_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [*not_empty("outgoing_event", "type", "object_key", "payload")]
        indexes = [
            models.Index(
                fields=["white_label", "occurred_at", "id"],
                name="outgoing_event_by_time",
            ),
            models.Index(fields=["occurred_at"], name="outgoing_event_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.key}"


class DeliveryReason(models.TextChoices):
    """Why an event is sent to an endpoint."""

    EVENT = "event", "Event"
    REPLAY = "replay", "Replay"
    RESEND = "resend", "Resent"
    TEST = "test", "Test"


class WebhookDelivery(Work):
    """An event on its way to an endpoint: work, done when the endpoint accepted it.

    An unfinished delivery holds the later ones of the same object and endpoint.
    """

    Reason = DeliveryReason

    retries = RetryPolicy(
        lease=timedelta(minutes=1),  # one request, which takes seconds at most
        attempts=30,  # three days
        first_wait=timedelta(seconds=5),
        longest_wait=timedelta(hours=4),
        jitter=0.2,  # an endpoint that was down does not get all of them at once
    )

    endpoint = models.ForeignKey(
        WebhookEndpoint,
        on_delete=models.CASCADE,
        related_name="deliveries",
        db_index=False,
    )
    event = models.ForeignKey(
        OutgoingEvent, on_delete=models.CASCADE, related_name="deliveries"
    )
    object_key = models.CharField(max_length=600)  # of the event
    reason = models.CharField(
        max_length=6, choices=DeliveryReason, default=DeliveryReason.EVENT
    )
    requested_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    # Of the last attempt.
    status_code = models.PositiveSmallIntegerField(null=True)
    latency_ms = models.PositiveIntegerField(null=True)

    class Meta:
        constraints = [
            *work_constraints("webhook_delivery"),
            CheckConstraint(
                condition=Q(reason__in=DeliveryReason.values),
                name="webhook_delivery_reason",
            ),
        ]
        indexes = [
            unfinished_index("webhook_delivery"),
            models.Index(
                fields=["endpoint", "-id"], name="webhook_delivery_by_endpoint"
            ),
            # What may be sent next, and what an unfinished delivery holds.
            models.Index(
                fields=["endpoint", "id"],
                condition=Q(state__in=UNFINISHED),
                name="webhook_delivery_waiting",
            ),
            models.Index(
                fields=["endpoint", "object_key", "id"],
                condition=Q(state__in=UNFINISHED),
                name="webhook_delivery_of_object",
            ),
            models.Index(
                fields=["endpoint", "-id"],
                condition=Q(state=WorkState.FAILED),
                name="webhook_delivery_failed",
            ),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk} to endpoint {self.endpoint_id}"

    @property
    def tried_next_at(self) -> datetime | None:
        """Return when it may be sent at the earliest; null once it has ended.

        It waits for its endpoint, too, while that is left alone after failures.
        """
        if self.finished_at is not None:
            return None
        held_until = self.endpoint.held_until
        return max(self.next_attempt_at, held_until or self.next_attempt_at)


class WebhookAttempt(models.Model):
    """A request to an endpoint and its answer, without secrets.

    `error_kind` is that of `orgs.outbound`, empty if there was an answer.
    """

    delivery = models.ForeignKey(
        WebhookDelivery,
        on_delete=models.CASCADE,
        related_name="log",
        db_index=False,
    )
    number = models.PositiveSmallIntegerField()
    at = models.DateTimeField(default=timezone.now)
    url = models.CharField(max_length=MAX_URL)
    request_headers = models.JSONField(default=dict)
    request_body = models.TextField()
    status_code = models.PositiveSmallIntegerField(null=True)
    answer_headers = models.JSONField(default=dict)
    answer = models.TextField(blank=True)  # its first `MAX_ANSWER` characters
    latency_ms = models.PositiveIntegerField()
    error_kind = models.CharField(max_length=32, blank=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["delivery", "id"], name="webhook_attempt_in_order"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of delivery {self.delivery_id}"


class OpenIncident(models.Model):
    """An event that was reported and whose end is to be reported, too.

    Written with the event; deleted when the evaluation of alerts finds that the
    threshold is not reached any more, with the event of its end.
    """

    organization = models.ForeignKey(
        "orgs.Organization",
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,  # the unique index starts with it
    )
    type = models.CharField(max_length=64)
    subject = models.CharField(max_length=500, blank=True)  # that of the alert
    alert_kind = models.CharField(max_length=16)
    event_key = models.CharField(max_length=40)  # of the event that began it
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["organization", "type", "subject"], name="open_incident_once"
            ),
            *not_empty("open_incident", "type", "alert_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.type} of {self.organization_id}"
