from dataclasses import dataclass, field
from datetime import datetime

from metrics.models import Integration
from metrics.models.integrations import associated_data
from orgs.crypto import decrypt


@dataclass(frozen=True, slots=True)
class IntegrationFacts:
    """What may be shown of an integration: everything but its token."""

    kind: str
    instance_id: str
    endpoint: str
    set_at: datetime


def integrations(organization_id: int) -> dict[str, IntegrationFacts]:
    """By kind; the sealed tokens are not even read."""
    rows = Integration.objects.filter(organization_id=organization_id)
    return {
        row[0]: IntegrationFacts(*row)
        for row in rows.values_list("kind", "instance_id", "endpoint", "set_at")
    }


@dataclass(frozen=True, slots=True)
class Target:
    """What it takes to push; the token shows up in no representation."""

    instance_id: str
    endpoint: str
    token: str = field(repr=False)


def find_target(organization_id: int, *, kind: str) -> Target | None:
    """For the push alone. Raises `SecretUnreadable` when the token does not open."""
    rows = Integration.objects.filter(organization_id=organization_id, kind=kind)
    row = rows.values_list("instance_id", "endpoint", "token").first()
    if row is None:
        return None
    instance_id, endpoint, encrypted = row
    bound = associated_data(organization_id, kind)
    return Target(
        instance_id, endpoint, decrypt(bytes(encrypted), associated_data=bound)
    )
