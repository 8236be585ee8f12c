"""Setting and clearing push targets, and re-encrypting their tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from metrics.commands.pushes import reset_push
from metrics.errors import EndpointNotAllowed, IntegrationNotFound, TokenMissing
from metrics.models import Integration
from metrics.models.integrations import associated_data
from orgs.commands.organizations import touch_organization
from orgs.commands.reencryption import ReencryptedBatch
from orgs.crypto import decrypt, encrypt, encryption_key_id, key_id_of
from orgs.errors import SecretUnreadable, UrlNotAllowed
from orgs.models import Organization
from orgs.outbound import check_url, is_same_origin


@dataclass(frozen=True, slots=True)
class IncomingTarget:
    """A push target to be set; its representation does not contain the token.

    A token that is null stays as it is stored. One that `starts_paused` is paused if it
    is new; otherwise it stays as it is.
    """

    instance_id: str
    endpoint: str
    token: str | None = field(repr=False)
    starts_paused: bool = False


def set_integrations(
    organization_id: int, targets: Mapping[str, IncomingTarget | None]
) -> None:
    """Replace the push target of each given kind; None clears it.

    Other kinds keep their targets. Raises `EndpointNotAllowed` or `TokenMissing`,
    naming the field, and then changes nothing. Endpoints in allowed networks are
    resolved, before the transaction.
    """
    for kind, target in sorted(targets.items()):
        if target is not None:
            check_endpoint(kind, target.endpoint)
    with transaction.atomic():
        changes = [
            _set_integration(organization_id, kind, target)
            for kind, target in sorted(targets.items())
        ]
        if any(changes):
            touch_organization(organization_id)


def _set_integration(
    organization_id: int, kind: str, target: IncomingTarget | None
) -> bool:
    """Replace the push target of one kind; None clears it. Return whether it changed.

    Raises `TokenMissing`, naming the field.
    """
    rows = Integration.objects.filter(organization_id=organization_id, kind=kind)
    if target is None:
        return rows.delete()[0] > 0
    values: dict[str, Any] = {
        "instance_id": target.instance_id,
        "endpoint": target.endpoint,
    }
    if target.token is None:
        return _change_without_token(rows, kind, values)
    values["token"] = encrypt(
        target.token, associated_data=associated_data(organization_id, kind)
    )
    values["set_at"] = now = timezone.now()
    integration, _ = Integration.objects.update_or_create(
        organization_id=organization_id,
        kind=kind,
        defaults=values,
        create_defaults={**values, "paused_at": now if target.starts_paused else None},
    )
    reset_push(integration)
    return True


def _change_without_token(
    rows: QuerySet[Integration], kind: str, values: dict[str, Any]
) -> bool:
    stored = rows.select_for_update().first()
    if stored is None:
        raise TokenMissing(
            "`token` is masked, and no token is stored.", fields=(kind, "token")
        )
    check_token_may_move(kind, stored.endpoint, target_endpoint=values["endpoint"])
    if all(getattr(stored, name) == value for name, value in values.items()):
        return False
    rows.update(**values)  # without `set_at`: history shows it as a new token
    reset_push(stored)
    return True


def check_token_may_move(kind: str, endpoint: str, *, target_endpoint: str) -> None:
    """Raise `TokenMissing` if the stored token would be sent to another host.

    Otherwise a user who may change the endpoint could read the token at their host.
    """
    if not is_same_origin(endpoint, target_endpoint):
        raise TokenMissing(
            "Enter the token again: the endpoint is on another host.",
            fields=(kind, "token"),
        )


def pause_integration(organization: Organization, kind: str) -> bool:
    """Stop pushing to an integration until it is resumed; false if it is paused.

    Raises `IntegrationNotFound`.
    """
    return _change_pause(organization, kind, timezone.now())


def resume_integration(organization: Organization, kind: str) -> bool:
    """Push to an integration again, at once; false if it is not paused.

    Raises `IntegrationNotFound`.
    """
    return _change_pause(organization, kind, None)


@transaction.atomic
def _change_pause(
    organization: Organization, kind: str, paused_at: datetime | None
) -> bool:
    rows = Integration.objects.filter(organization=organization, kind=kind)
    integration = rows.select_for_update().first()
    if integration is None:
        raise IntegrationNotFound("This organization has no such integration.")
    if (integration.paused_at is None) == (paused_at is None):
        return False
    rows.update(paused_at=paused_at)
    touch_organization(organization.pk)
    reset_push(integration)
    return True


def check_endpoint(kind: str, endpoint: str) -> None:
    """Raise `EndpointNotAllowed`, naming the field, if it may not be contacted."""
    try:
        check_url(endpoint)
    except UrlNotAllowed as error:
        raise EndpointNotAllowed(error.message, fields=(kind, "endpoint")) from None


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
