from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from orgs.catalog import Scope
from orgs.models.fields import in_order, in_range, not_empty, with_history


@with_history(exclude=["key_hash", "last_used_at", "last_used_address"])
class ApiKey(models.Model):
    """A program's credential: shown once, stored as a SHA-256 hash.

    Keys are long and random, so a fast hash is right: a slow one would only let
    strangers keep our processors busy. A trigger (`orgs/migrations/_guards.py`) makes
    ends final: a revocation stays, an expiry only moves earlier, scopes only narrow,
    and rows are never deleted.
    """

    white_label = models.ForeignKey(
        "orgs.WhiteLabel", on_delete=models.CASCADE, related_name="api_keys"
    )
    organization = models.ForeignKey(
        "orgs.Organization",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="api_keys",
        help_text="Leave empty for a key of the whole white label.",
    )
    name = models.CharField(max_length=200)
    start = models.CharField(
        max_length=16, editable=False, help_text="The first characters of the key."
    )
    key_hash = models.BinaryField(max_length=32, unique=True, editable=False)
    scopes = ArrayField(
        models.CharField(max_length=32, choices=[(s.value, s.value) for s in Scope])
    )
    address_ranges = ArrayField(
        models.CharField(max_length=50),
        default=list,
        blank=True,
        help_text="Networks in CIDR notation that the key may be used from; leave empty"
        " for any address.",
    )
    replaces = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="replaced_by",
        help_text="The key that was rotated into this one.",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_address = models.GenericIPAddressField(
        null=True, blank=True, editable=False
    )

    class Meta:
        verbose_name = "API key"
        constraints = [
            *in_range("api_key", "created_at", "expires_at", "revoked_at"),
            *not_empty("api_key", "name"),
            in_order("api_key", "created_at", "revoked_at"),
            models.CheckConstraint(
                condition=Q(scopes__contained_by=[s.value for s in Scope])
                & Q(scopes__len__gte=1),
                name="api_key_scopes_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["start"],
                name="api_key_by_start",
                opclasses=["varchar_pattern_ops"],
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.start}…)"

    def has_ended(self, now: datetime) -> bool:
        """Return whether the key is revoked or has expired."""
        is_expired = self.expires_at is not None and self.expires_at <= now
        return is_expired or self.revoked_at is not None

    def is_unused(self, now: datetime) -> bool:
        """Return whether no call used the key in the last `API_KEY_UNUSED_DAYS`."""
        since = self.last_used_at or self.created_at
        return now - since > timedelta(days=settings.API_KEY_UNUSED_DAYS)


class ApiKeyAddress(models.Model):
    """An address from which a key was used: that of IPv4, or the /64 block of IPv6."""

    api_key = models.ForeignKey(
        ApiKey, on_delete=models.CASCADE, db_index=False, related_name="addresses"
    )
    address = models.CharField(max_length=50)
    first_used_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "address of an API key"
        verbose_name_plural = "addresses of API keys"
        constraints = [
            models.UniqueConstraint(
                fields=["api_key", "address"], name="api_key_address_unique"
            ),
            *in_range("api_key_address", "first_used_at"),
            *not_empty("api_key_address", "address"),
        ]

    def __str__(self) -> str:
        return self.address
