"""Integrations of an organization: where its data is pushed to, and its tokens."""

from dataclasses import dataclass, field
from datetime import datetime

from metrics.models import Integration
from metrics.models.integrations import IntegrationKind, associated_data
from orgs.crypto import decrypt

KIND_LABELS: dict[str, str] = dict(IntegrationKind.choices)


@dataclass(frozen=True, slots=True)
class IntegrationFacts:
    """An integration without its token, for pages and answers."""

    kind: str
    instance_id: str
    endpoint: str
    set_at: datetime
    paused_at: datetime | None = None


_FACTS = ("kind", "instance_id", "endpoint", "set_at", "paused_at")


def integrations(organization_id: int) -> dict[str, IntegrationFacts]:
    """Return the integrations of an organization by kind, without their tokens."""
    rows = Integration.objects.filter(organization_id=organization_id)
    return {row[0]: IntegrationFacts(*row) for row in rows.values_list(*_FACTS)}


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
    integration = rows.first()
    return None if integration is None else decrypt_target(integration)


def decrypt_target(integration: Integration) -> Target:
    """Return where to push to; raise `SecretUnreadable` without a readable token."""
    token = decrypt(
        bytes(integration.token),
        associated_data=associated_data(integration.organization_id, integration.kind),
    )
    return Target(integration.instance_id, integration.endpoint, token)
