"""Push targets of organizations for their metrics and logs."""

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils import timezone

from orgs.models.fields import in_range, not_empty, with_history


class IntegrationKind(models.TextChoices):
    """The kinds of push target."""

    PROM = "prom", "Prometheus"
    LOKI = "loki", "Loki"


@with_history(exclude=["token"])
class Integration(models.Model):
    """The push target of an organization's metrics (Prometheus) or logs (Loki).

    `token` is encrypted for this row (`orgs.crypto.encrypt`) and never shown again.
    History does not store it; a new `set_at` shows when and by which user it was
    replaced. Its `Push` says when data is pushed and how the last push went.
    """

    Kind = IntegrationKind

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="+"
    )
    kind = models.CharField(max_length=4, choices=Kind)
    # The ID of the target's account: the user name for basic authentication.
    instance_id = models.CharField(max_length=200)
    endpoint = models.CharField(max_length=2_000)
    token = models.BinaryField(max_length=4_096)
    set_at = models.DateTimeField(default=timezone.now)
    paused_at = models.DateTimeField(null=True)  # by a person, until they resume it

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["organization", "kind"], name="integration_unique"
            ),
            CheckConstraint(
                condition=Q(kind__in=IntegrationKind.values), name="integration_kind"
            ),
            *not_empty("integration", "instance_id", "endpoint"),
            *in_range("integration", "set_at", "paused_at"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.organization_id}"


def associated_data(organization_id: int, kind: str) -> str:
    """Return the associated data that binds an encrypted token to its row.

    A token that is copied to another row cannot be decrypted there.
    """
    return f"metrics.Integration:{organization_id}:{kind}"
