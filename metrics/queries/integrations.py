"""Integrations of an organization: where its data is pushed to, and its tokens."""

from dataclasses import dataclass, field
from datetime import datetime

from metrics.models import Integration
from metrics.models.integrations import associated_data
from orgs.crypto import decrypt


@dataclass(frozen=True, slots=True)
class IntegrationFacts:
    """An integration without its token, for pages and answers."""

    kind: str
    instance_id: str
    endpoint: str
    set_at: datetime


def integrations(organization_id: int) -> dict[str, IntegrationFacts]:
    """Return the integrations of an organization by kind, without their tokens."""
    rows = Integration.objects.filter(organization_id=organization_id)
    return {
        row[0]: IntegrationFacts(*row)
        for row in rows.values_list("kind", "instance_id", "endpoint", "set_at")
    }


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint with its decrypted token, which no representation shows."""

    instance_id: str
    endpoint: str
    token: str = field(repr=False)


def find_target(organization_id: int, *, kind: str) -> Target | None:
    """Return where to push an organization's data; null without an integration.

    Raises `SecretUnreadable` when the token cannot be decrypted.
    """
    rows = Integration.objects.filter(organization_id=organization_id, kind=kind)
    row = rows.values_list("instance_id", "endpoint", "token").first()
    if row is None:
        return None
    instance_id, endpoint, encrypted = row
    token = decrypt(
        bytes(encrypted), associated_data=associated_data(organization_id, kind)
    )
    return Target(instance_id, endpoint, token)
