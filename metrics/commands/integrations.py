"""Where an organization's metrics and logs are pushed to: set, cleared, sealed anew."""

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
    """A target as somebody sets it; the token shows up in no representation."""

    instance_id: str
    endpoint: str
    token: str = field(repr=False)


@transaction.atomic
def set_integrations(
    organization_id: int, targets: Mapping[str, IncomingTarget | None]
) -> None:
    """Replace the target of each kind given, null clears it; others stay as they are.

    All of it or nothing: raises `EndpointNotAllowed`, naming the field.
    """
    for kind, target in sorted(targets.items()):
        set_integration(organization_id, kind, target)


def set_integration(
    organization_id: int, kind: str, target: IncomingTarget | None
) -> None:
    """See `set_integrations`."""
    if target is None:
        Integration.objects.filter(organization_id=organization_id, kind=kind).delete()
        return
    _check(kind, target.endpoint)
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


def _check(kind: str, endpoint: str) -> None:
    try:
        check_endpoint(endpoint)
    except EndpointNotAllowed as error:
        raise EndpointNotAllowed(error.message, fields=(kind, "endpoint")) from None


@dataclass(slots=True)
class Reencrypted:
    """What became of a batch of tokens; `last_id` is where the next one begins."""

    last_id: int
    reencrypted: int = 0
    current: int = 0
    unreadable: list[str] = field(default_factory=list)


@transaction.atomic
def reencrypt_integrations(*, after_id: int, limit: int) -> Reencrypted | None:
    """Seal a batch of tokens with the first key; null when there are no more.

    Those it seals already are passed over, so stopping in the middle costs nothing.
    """
    rows = _batch(after_id, limit)
    if not rows:
        return None
    result = Reencrypted(last_id=rows[-1].pk)
    for row in rows:
        _reencrypt(row, result)
    return result


def _batch(after_id: int, limit: int) -> Sequence[Integration]:
    """Locked: a token replaced meanwhile must not be overwritten with the old one."""
    rows = Integration.objects.select_for_update().filter(pk__gt=after_id)
    return list(rows.order_by("pk")[:limit])


def _reencrypt(row: Integration, result: Reencrypted) -> None:
    bound = associated_data(row.organization_id, row.kind)
    try:
        if key_id_of(bytes(row.token)) == encryption_key_id():
            result.current += 1
            return
        token = decrypt(bytes(row.token), associated_data=bound)
    except SecretUnreadable:
        result.unreadable.append(str(row))
        return
    encrypted = encrypt(token, associated_data=bound)
    Integration.objects.filter(pk=row.pk).update(token=encrypted)
    result.reencrypted += 1
