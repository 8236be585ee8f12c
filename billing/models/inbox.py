from django.db import models
from django.db.models import CheckConstraint, Q
from django.utils import timezone

from orgs.models.fields import not_empty


class InboxEvent(models.Model):
    """An event of Stripe as it arrived, and what became of it. A hint, never a truth.

    pending -> processing (for a lease) -> done; parked when a person must look (an
    unsupported version, an object nobody knows); failed after the last attempt; ignored
    when a person said so.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        PROCESSING = "processing"
        DONE = "done"
        PARKED = "parked", "Needs review"
        FAILED = "failed"
        IGNORED = "ignored"

    class Source(models.TextChoices):
        WEBHOOK = "webhook"
        PULL = "pull"

    event_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=100)
    api_version = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=255, blank=True)
    organization = models.ForeignKey(  # whose it turned out to be
        "orgs.Organization", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    source = models.CharField(max_length=7, choices=Source, default=Source.WEBHOOK)
    payload = models.JSONField()
    happened_at = models.DateTimeField()  # in Stripe
    received_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    reason = models.CharField(max_length=200, blank=True)  # of the state, for people
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(
                    state__in=[
                        "pending",
                        "processing",
                        "done",
                        "parked",
                        "failed",
                        "ignored",
                    ]
                ),
                name="inbox_state",
            ),
            CheckConstraint(
                condition=Q(finished_at=None, state__in=["pending", "processing"])
                | Q(
                    finished_at__isnull=False,
                    state__in=["done", "parked", "failed", "ignored"],
                ),
                name="inbox_finished_ended",
            ),
            *not_empty("inbox", "event_id", "type"),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=Q(state__in=["pending", "processing"]),
                name="inbox_unfinished",
            ),
            models.Index(
                fields=["-id"],
                condition=Q(state__in=["parked", "failed"]),
                name="inbox_needs_somebody",
            ),
            models.Index(fields=["object_id"], name="inbox_by_object"),
            models.Index(fields=["received_at"], name="inbox_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
