"""Reading the encrypted secrets of endpoints."""

from datetime import datetime

from billing.models import WebhookEndpoint
from billing.models.webhooks import associated_data
from orgs.crypto import decrypt


def read_secret(endpoint: WebhookEndpoint) -> str:
    """Return the secret of an endpoint; raise `SecretUnreadable`."""
    row_data = associated_data(endpoint.uuid)
    return decrypt(bytes(endpoint.secret), associated_data=row_data)


def read_old_secret(endpoint: WebhookEndpoint, *, now: datetime) -> list[str]:
    """Return the secret before the last rotation while it is still used."""
    until, encrypted = endpoint.overlap_ends_at, endpoint.old_secret
    if encrypted is None or until is None or until <= now:
        return []
    return [decrypt(bytes(encrypted), associated_data=associated_data(endpoint.uuid))]
