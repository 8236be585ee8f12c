from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from orgs.catalog import Scope
from orgs.models.fields import in_order, in_range, not_empty, with_history


@with_history(exclude=["key_hash", "last_used_at"])
class ApiKey(models.Model):
    """A program's credential: shown once, stored as a SHA-256 hash.

    Keys are long and random, so a fast hash is right: a slow one would only let
    strangers keep our processors busy.
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
