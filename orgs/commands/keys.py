"""Create, rotate and revoke API keys."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from orgs.catalog import Scope
from orgs.crypto import START_LENGTH, hash_key, make_key
from orgs.errors import Conflict, DomainError
from orgs.models import ApiKey, Organization, User, WhiteLabel

# After a rotation the old key works this long, so that clients can be changed.
ROTATION_OVERLAP = timedelta(days=7)


def create_api_key(
    white_label: WhiteLabel,
    *,
    name: str,
    scopes: Sequence[Scope],
    organization: Organization | None = None,
    expires_at: datetime | None = None,
    created_by: User | None = None,
    text: str = "",
) -> tuple[ApiKey, str]:
    """Create an API key and return it with its text, of which only a hash is stored.

    `text` is a text that the caller chose. Raises `Conflict` if it is taken, and
    `DomainError` without scopes or for an organization of another white label.
    """
    if not scopes:
        raise DomainError("Choose at least one scope.", code="invalid_scopes")
    if organization is not None and organization.white_label_id != white_label.id:
        raise DomainError(
            "The organization belongs to another white label.",
            code="invalid_organization",
        )
    text = text or make_key(settings.API_KEY_PREFIX)
    key = ApiKey(
        white_label=white_label,
        organization=organization,
        name=name,
        start=text[:START_LENGTH],
        key_hash=hash_key(text),
        scopes=sorted({scope.value for scope in scopes}),
        expires_at=expires_at,
        created_by=created_by,
    )
    try:
        with transaction.atomic():
            key.save()
    except IntegrityError:
        raise Conflict("This key is already in use.", code="key_exists") from None
    return key, text


@transaction.atomic
def rotate_api_key(
    key: ApiKey, *, created_by: User | None = None
) -> tuple[ApiKey, str]:
    """Create a key with the same scopes; the old one expires in a week."""
    new_key, text = create_api_key(
        key.white_label,
        name=key.name,
        scopes=[Scope(scope) for scope in key.scopes],
        organization=key.organization,
        created_by=created_by,
    )
    ends_at = timezone.now() + ROTATION_OVERLAP
    if key.expires_at is None or key.expires_at > ends_at:
        ApiKey.objects.filter(pk=key.pk).update(expires_at=ends_at)
    return new_key, text


def revoke_api_key(key: ApiKey) -> None:
    """Revoke a key from now on; no effect if it is revoked already."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
