"""Links to the page that an organization's people open without a login."""

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from orgs.models.fields import (
    in_order,
    in_range,
    not_empty,
    validate_text,
    with_history,
)
from orgs.models.work import (
    RetryPolicy,
    Work,
    failed_index,
    unfinished_index,
    work_constraints,
)

_USE = ["token_hash", "last_opened_at", "opens"]
MAX_ORIGINS = 10


@with_history(exclude=_USE, untracked=_USE)
class CustomerLink(models.Model):
    """A link to an organization's customer page, until it expires or is revoked.

    Its token is long and random, is shown once, and is stored as a SHA-256 hash. A link
    that goes out by email has no hash until the worker that sends it makes the token.
    `frame_origins` are the sites that may show the page in a frame; none may by
    default.
    """

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="customer_links"
    )
    name = models.CharField(max_length=200, validators=[validate_text])
    token_hash = models.BinaryField(
        max_length=32, unique=True, null=True, editable=False
    )
    frame_origins = ArrayField(
        models.CharField(max_length=260), default=list, blank=True, size=MAX_ORIGINS
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        related_name="+",
        null=True,
    )
    created_by_name = models.CharField(max_length=150)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_opened_at = models.DateTimeField(null=True)
    opens = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            *in_range("customer_link", "created_at", "expires_at", "revoked_at"),
            *not_empty("customer_link", "name", "created_by_name"),
            in_order("customer_link", "created_at", "expires_at"),
            in_order("customer_link", "created_at", "revoked_at"),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="customer_link_newest")
        ]

    def __str__(self) -> str:
        return self.name

    def has_ended(self, now: datetime) -> bool:
        """Return whether the link opens nothing any more."""
        return self.revoked_at is not None or self.expires_at <= now


class CustomerLinkEmail(Work):
    """An email with a customer link, which a worker sends; it holds no token."""

    retries = RetryPolicy(
        lease=timedelta(minutes=2),  # longer than a conversation with the mail host
        attempts=6,
        first_wait=timedelta(minutes=1),
        longest_wait=timedelta(minutes=30),
    )

    link = models.OneToOneField(
        CustomerLink, on_delete=models.CASCADE, related_name="email"
    )
    address = models.EmailField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [*work_constraints("customer_link_email")]
        indexes = [
            unfinished_index("customer_link_email"),
            failed_index("customer_link_email"),
        ]

    def __str__(self) -> str:
        return f"customer link email {self.pk}"
