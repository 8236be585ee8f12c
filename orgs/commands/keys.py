"""Create, rotate and revoke API keys."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pghistory
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from orgs.catalog import Scope
from orgs.crypto import START_LENGTH, hash_key, make_key
from orgs.errors import Conflict, DomainError
from orgs.models import ApiKey, Organization, User, WhiteLabel
from orgs.networks import read_address_ranges
from orgs.security_log import Kind, record

# After a rotation the old key works this long, so that clients can be changed.
ROTATION_OVERLAP = timedelta(days=7)


def create_api_key(
    white_label: WhiteLabel,
    *,
    name: str,
    scopes: Sequence[Scope],
    organization: Organization | None = None,
    expires_at: datetime | None = None,
    address_ranges: Sequence[str] = (),
    created_by: User | None = None,
    replaces: ApiKey | None = None,
    text: str = "",
) -> tuple[ApiKey, str]:
    """Create an API key and return it with its text, of which only a hash is stored.

    `address_ranges` are networks, see `read_address_ranges`. `text` is a text that the
    caller chose, `replaces` the key that it was rotated from. Raises `Conflict` if the
    text is taken, also by a key that has ended, and `DomainError` without scopes, for
    an expiry that has passed, invalid ranges, or an organization of another white
    label.
    """
    if not scopes:
        raise DomainError("Choose at least one scope.", code="invalid_scopes")
    if organization is not None and organization.white_label_id != white_label.id:
        raise DomainError(
            "The organization belongs to another white label.",
            code="invalid_organization",
        )
    if expires_at is not None and expires_at <= timezone.now():
        raise DomainError("The expiry has passed.", code="invalid_expiry")
    text = text or make_key(settings.API_KEY_PREFIX)
    key = ApiKey(
        white_label=white_label,
        organization=organization,
        name=name,
        start=text[:START_LENGTH],
        key_hash=hash_key(text),
        scopes=sorted({scope.value for scope in scopes}),
        expires_at=expires_at,
        address_ranges=_read_ranges(address_ranges),
        created_by=created_by,
        replaces=replaces,
    )
    try:
        with transaction.atomic():
            key.save()
            _record(Kind.API_KEY_ROTATED if replaces else Kind.API_KEY_CREATED, key)
    except IntegrityError:
        raise Conflict("This key is already in use.", code="key_exists") from None
    return key, text


def _record(kind: Kind, key: ApiKey) -> None:
    """Record what became of a key, with what it may do."""
    expiry = key.expires_at.isoformat() if key.expires_at else None
    details = {
        "scopes": key.scopes,
        "address_ranges": key.address_ranges,
        "expires_at": expiry,
        "replaces": key.replaces_id,
    }
    record(kind, subject=key, details=details)


def _read_ranges(ranges: Sequence[str]) -> list[str]:
    try:
        return read_address_ranges(" ".join(ranges))
    except ValueError as error:
        raise DomainError(
            str(error), code="invalid_address_range", fields=("address_ranges",)
        ) from None


def edit_api_key(key: ApiKey, *, name: str, address_ranges: Sequence[str]) -> None:
    """Change the name and address ranges of a key; they hold from the next call on.

    Raises `DomainError` for invalid ranges.
    """
    key.name, key.address_ranges = name, _read_ranges(address_ranges)
    with transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(
            name=key.name, address_ranges=key.address_ranges
        )
        _record(Kind.API_KEY_CHANGED, key)


@transaction.atomic
def rotate_api_key(
    key: ApiKey, *, created_by: User | None = None
) -> tuple[ApiKey, str]:
    """Create a key with the same limits and name; the old one ends in a week.

    Its scopes, organization, address ranges, and expiry are those of the old one.

    Raises `Conflict` for a key that has ended, and for one that was rotated already:
    its successor has to be rotated, whose expiry is the intended one.
    """
    row = _locked(key)
    _require_rotatable(row)
    new_key, text = create_api_key(
        row.white_label,
        name=row.name,
        scopes=[Scope(scope) for scope in row.scopes],
        organization=row.organization,
        expires_at=row.expires_at,
        address_ranges=row.address_ranges,
        created_by=created_by,
        replaces=row,
    )
    ends_at = timezone.now() + ROTATION_OVERLAP
    if row.expires_at is None or row.expires_at > ends_at:
        ApiKey.objects.filter(pk=row.pk).update(expires_at=ends_at)
    return new_key, text


def _locked(key: ApiKey) -> ApiKey:
    """Lock a key against a revocation or rotation at the same time, and read it."""
    rows = ApiKey.objects.select_related("white_label", "organization")
    return rows.select_for_update(of=("self",), no_key=True).get(pk=key.pk)


def _require_rotatable(key: ApiKey) -> None:
    if key.has_ended(timezone.now()):
        raise Conflict(
            "This key has ended. Create a new key instead.", code="key_ended"
        )
    if ApiKey.objects.filter(replaces=key).exists():
        raise Conflict(
            "This key was rotated already. Rotate the key that replaced it.",
            code="key_rotated",
        )


@transaction.atomic
def revoke_api_key(key: ApiKey, *, reason: str = "") -> None:
    """Revoke a key from now on; no effect if it is revoked already."""
    row = ApiKey.objects.filter(pk=key.pk, revoked_at=None)
    with pghistory.context(**({"note": reason} if reason else {})):
        is_revoked = row.update(revoked_at=timezone.now())
    if is_revoked:
        record(Kind.API_KEY_REVOKED, subject=key)
