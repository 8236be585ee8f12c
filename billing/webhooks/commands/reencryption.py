"""Re-encrypting the secrets of endpoints with the first encryption key."""

from django.db import transaction

from billing.models import WebhookEndpoint
from billing.models.webhooks import associated_data
from orgs.commands.reencryption import ReencryptedBatch
from orgs.crypto import decrypt, encrypt, encryption_key_id, key_id_of
from orgs.errors import SecretUnreadable


@transaction.atomic
def reencrypt_endpoints(*, after_id: int, limit: int) -> ReencryptedBatch | None:
    """Encrypt the secrets of a batch of endpoints; return None when none are left.

    The old secret of a rotation included. The rows are locked against a secret that is
    replaced meanwhile. An interrupted run can simply be started again.
    """
    rows = WebhookEndpoint.objects.select_for_update().filter(pk__gt=after_id)
    endpoints = list(rows.order_by("pk")[:limit])
    if not endpoints:
        return None
    result = ReencryptedBatch(last_id=endpoints[-1].pk)
    for endpoint in endpoints:
        for column in ("secret", "old_secret"):
            if getattr(endpoint, column) is not None:
                _reencrypt(endpoint, column, result)
    return result


def _reencrypt(
    endpoint: WebhookEndpoint, column: str, result: ReencryptedBatch
) -> None:
    row_data, stored = associated_data(endpoint.uuid), bytes(getattr(endpoint, column))
    try:
        if key_id_of(stored) == encryption_key_id():
            result.current += 1
            return
        secret = decrypt(stored, associated_data=row_data)
    except SecretUnreadable:
        result.unreadable.append(f"webhook endpoint {endpoint.pk}")
        return
    encrypted = encrypt(secret, associated_data=row_data)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**{column: encrypted})
    result.reencrypted += 1
