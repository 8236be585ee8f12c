"""Setting and clearing push targets, and re-encrypting their tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone

from metrics.endpoints import check_endpoint
from metrics.errors import EndpointNotAllowed
from metrics.models import Integration
from metrics.models.integrations import associated_data
from orgs.crypto import decrypt, encrypt, encryption_key_id, key_id_of
from orgs.errors import SecretUnreadable


@dataclass(frozen=True, slots=True)
class IncomingTarget:
    """A push target to be set; its representation does not contain the token."""

    instance_id: str
    endpoint: str
    token: str = field(repr=False)


@transaction.atomic
def set_integrations(
    organization_id: int, targets: Mapping[str, IncomingTarget | None]
) -> None:
    """Replace the push target of each given kind; None clears it.

    Other kinds keep their targets. Raises `EndpointNotAllowed`, naming the field, and
    then changes nothing.
    """
    for kind, target in sorted(targets.items()):
        set_integration(organization_id, kind, target)


def set_integration(
    organization_id: int, kind: str, target: IncomingTarget | None
) -> None:
    """Replace the push target of one kind; None clears it.

    Raises `EndpointNotAllowed`, naming the field.
    """
    if target is None:
        Integration.objects.filter(organization_id=organization_id, kind=kind).delete()
        return
    _check_endpoint(kind, target.endpoint)
    encrypted = encrypt(
        target.token, associated_data=associated_data(organization_id, kind)
    )
    Integration.objects.update_or_create(
        organization_id=organization_id,
        kind=kind,
        defaults={
            "instance_id": target.instance_id,
            "endpoint": target.endpoint,
            "token": encrypted,
            "set_at": timezone.now(),
        },
    )


def _check_endpoint(kind: str, endpoint: str) -> None:
    try:
        check_endpoint(endpoint)
    except EndpointNotAllowed as error:
        raise EndpointNotAllowed(error.message, fields=(kind, "endpoint")) from None


@dataclass(slots=True)
class ReencryptedBatch:
    """The outcome of a batch of tokens; the next batch begins after `last_id`."""

    last_id: int
    reencrypted: int = 0
    current: int = 0
    unreadable: list[str] = field(default_factory=list)


@transaction.atomic
def reencrypt_integrations(*, after_id: int, limit: int) -> ReencryptedBatch | None:
    """Encrypt a batch of tokens with the first key; return None when none are left.

    Tokens that the first key already encrypts are skipped, so an interrupted run can
    simply be started again.
    """
    integrations = _lock_batch(after_id, limit)
    if not integrations:
        return None
    result = ReencryptedBatch(last_id=integrations[-1].pk)
    for integration in integrations:
        _reencrypt(integration, result)
    return result


def _lock_batch(after_id: int, limit: int) -> Sequence[Integration]:
    """Return the next integrations, locked against a token that is replaced meanwhile.

    Without the lock the old token would overwrite the new one.
    """
    rows = Integration.objects.select_for_update().filter(pk__gt=after_id)
    return list(rows.order_by("pk")[:limit])


def _reencrypt(integration: Integration, result: ReencryptedBatch) -> None:
    row_data = associated_data(integration.organization_id, integration.kind)
    try:
        if key_id_of(bytes(integration.token)) == encryption_key_id():
            result.current += 1
            return
        token = decrypt(bytes(integration.token), associated_data=row_data)
    except SecretUnreadable:
        result.unreadable.append(str(integration))
        return
    encrypted = encrypt(token, associated_data=row_data)
    Integration.objects.filter(pk=integration.pk).update(token=encrypted)
    result.reencrypted += 1
