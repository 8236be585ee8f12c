from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils import timezone

from orgs.models.fields import in_range, not_empty, with_history


class IntegrationKind(models.TextChoices):
    PROM = "prom", "Prometheus"
    LOKI = "loki", "Loki"


@with_history(exclude=["token"])
class Integration(models.Model):
    """Where an organization's metrics (Prometheus) or logs (Loki) are pushed to.

    `token` is sealed for this row (`orgs.crypto.seal`) and never shown again; history
    does not hold it, but knows by `set_at` that it was replaced, when and by whom.
    """

    Kind = IntegrationKind

    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="+"
    )
    kind = models.CharField(max_length=4, choices=Kind)
    # The id the target knows us by: user name of its basic authentication.
    instance_id = models.CharField(max_length=200)
    endpoint = models.CharField(max_length=2_000)
    token = models.BinaryField(max_length=4_096)
    set_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["organization", "kind"], name="integration_unique"
            ),
            CheckConstraint(
                condition=Q(kind__in=IntegrationKind.values), name="integration_kind"
            ),
            *not_empty("integration", "instance_id", "endpoint"),
            *in_range("integration", "set_at"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.organization_id}"


def associated_data(organization_id: int, kind: str) -> str:
    """What an integration's token is sealed for: in another row it does not open."""
    return f"metrics.Integration:{organization_id}:{kind}"
