from collections.abc import Sequence
from datetime import datetime

from django.conf import settings

from orgs.catalog import Scope
from orgs.crypto import START_LENGTH, hash_key, make_key
from orgs.errors import DomainError
from orgs.models import ApiKey, Organization, User, WhiteLabel


def create_api_key(
    white_label: WhiteLabel,
    *,
    name: str,
    scopes: Sequence[Scope],
    organization: Organization | None = None,
    expires_at: datetime | None = None,
    created_by: User | None = None,
) -> tuple[ApiKey, str]:
    """Make a key; its text is in the answer and nowhere else."""
    if not scopes:
        raise DomainError("A key needs a scope.", code="invalid_scopes")
    if organization is not None and organization.white_label_id != white_label.id:
        raise DomainError(
            "The organization is another white label's.", code="invalid_organization"
        )
    text = make_key(settings.API_KEY_PREFIX)
    key = ApiKey.objects.create(
        white_label=white_label,
        organization=organization,
        name=name,
        start=text[:START_LENGTH],
        key_hash=hash_key(text),
        scopes=sorted({scope.value for scope in scopes}),
        expires_at=expires_at,
        created_by=created_by,
    )
    return key, text
