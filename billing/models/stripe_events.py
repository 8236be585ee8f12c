"""Stripe events that arrived as webhooks or were pulled from Stripe's list."""

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from orgs.models.fields import not_empty
from orgs.models.work import RetryPolicy, Work, unfinished_index, work_constraints


class StripeEventState(models.TextChoices):
    """States of a webhook event."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    PARKED = "parked", "Needs review"
    FAILED = "failed"
    IGNORED = "ignored"


NEEDS_REVIEW = (StripeEventState.PARKED, StripeEventState.FAILED)
_ENDED = (StripeEventState.DONE, *NEEDS_REVIEW, StripeEventState.IGNORED)


class StripeEvent(Work):
    """Stripe event as it arrived, and the state of its handling.

    It is parked if a person must review it (an unsupported version, an unknown object),
    failed after the last attempt, and ignored if a person ended the review. Its payload
    is only a hint: the object is fetched again.
    """

    State = StripeEventState  # type: ignore[assignment]  # adds review and ignoring

    class Source(models.TextChoices):
        WEBHOOK = "webhook"
        PULL = "pull"

    retries = RetryPolicy(
        lease=timedelta(minutes=5),  # longer than the gateway's deadline and the locks
        attempts=12,
        first_wait=timedelta(seconds=15),
        longest_wait=timedelta(hours=1),
    )

    event_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=100)
    api_version = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=255, blank=True)
    organization = models.ForeignKey(  # of the object, once it was fetched
        "orgs.Organization", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    source = models.CharField(max_length=7, choices=Source, default=Source.WEBHOOK)
    payload = models.JSONField()
    happened_at = models.DateTimeField()  # in Stripe
    received_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    reason = models.CharField(max_length=200, blank=True)  # why it is in its state

    class Meta:
        constraints = [
            *work_constraints("stripe_event", ended=_ENDED),
            *not_empty("stripe_event", "event_id", "type"),
        ]
        indexes = [
            unfinished_index("stripe_event"),
            models.Index(
                fields=["-id"],
                condition=Q(state__in=NEEDS_REVIEW),
                name="stripe_event_needs_action",
            ),
            models.Index(fields=["object_id"], name="stripe_event_by_object"),
            models.Index(fields=["received_at"], name="stripe_event_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
