"""Where an organization's metrics and logs are pushed to: set, cleared, sealed anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone

from metrics.endpoints import check_endpoint
from metrics.errors import EndpointNotAllowed
from metrics.models import Integration
from metrics.models.integrations import bound_to
from orgs.crypto import key_id_of, open_sealed, seal, sealing_key_id
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
    sealed = seal(target.token, bound_to=bound_to(organization_id, kind))
    Integration.objects.update_or_create(
        organization_id=organization_id,
        kind=kind,
        defaults={
            "instance_id": target.instance_id,
            "endpoint": target.endpoint,
            "token": sealed,
            "set_at": timezone.now(),
        },
    )


def _check(kind: str, endpoint: str) -> None:
    try:
        check_endpoint(endpoint)
    except EndpointNotAllowed as error:
        raise EndpointNotAllowed(error.message, fields=(kind, "endpoint")) from None


@dataclass(slots=True)
class Resealed:
    """What became of a batch of tokens; `last_id` is where the next one begins."""

    last_id: int
    resealed: int = 0
    current: int = 0
    unreadable: list[str] = field(default_factory=list)


@transaction.atomic
def reseal_integrations(*, after_id: int, limit: int) -> Resealed | None:
    """Seal a batch of tokens with the first key; null when there are no more.

    Those it seals already are passed over, so stopping in the middle costs nothing.
    """
    rows = _batch(after_id, limit)
    if not rows:
        return None
    result = Resealed(last_id=rows[-1].pk)
    for row in rows:
        _reseal(row, result)
    return result


def _batch(after_id: int, limit: int) -> Sequence[Integration]:
    """Locked: a token replaced meanwhile must not be overwritten with the old one."""
    rows = Integration.objects.select_for_update().filter(pk__gt=after_id)
    return list(rows.order_by("pk")[:limit])


def _reseal(row: Integration, result: Resealed) -> None:
    bound = bound_to(row.organization_id, row.kind)
    try:
        if key_id_of(bytes(row.token)) == sealing_key_id():
            result.current += 1
            return
        token = open_sealed(bytes(row.token), bound_to=bound)
    except SecretUnreadable:
        result.unreadable.append(str(row))
        return
    sealed = seal(token, bound_to=bound)
    Integration.objects.filter(pk=row.pk).update(token=sealed)
    result.resealed += 1
