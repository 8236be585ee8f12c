"""Authorization of calls on the fast path: an API key and the organization it names.

Every function returns None if Django has to handle the call, because it is refused or
because the use of the key, or its address, has to be recorded. Django then reads key
and organization again and responds with the reason. Nothing is counted or written here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.utils import timezone

from orgs.access.addresses import client_address
from orgs.access.credentials import api_key_of, principal_of_key
from orgs.access.key_use import is_allowed_from, is_use_due
from orgs.access.permissions import row_id
from orgs.access.principals import Principal
from orgs.catalog import Scope
from orgs.crypto import hash_key
from orgs.models import Organization
from orgs.queries.key_lookup import (
    FAST_PATH_FIELDS,
    KeyFacts,
    find_key,
    find_key_with,
)


class OrganizationCall(NamedTuple):
    """An authorized call; `joined` are the columns that were read with the key."""

    principal: Principal
    organization: Organization
    joined: Sequence[Any] = ()


def authorize_organization(
    headers: Mapping[str, str], id_: str, scope: Scope
) -> OrganizationCall | None:
    """Return the caller and the organization of this id, unless it is deleted.

    `headers` is the WSGI environment. One statement.
    """
    text, now = api_key_of(headers), timezone.now()
    if not text:
        return None
    key, organization = find_key(
        hash_key(text), organization_id=row_id(id_), now=now, fields=FAST_PATH_FIELDS
    )
    if organization is None or organization.deleted_at is not None:
        return None
    principal = _principal(headers, key, organization, scope, now)
    return OrganizationCall(principal, organization) if principal else None


def authorize_organization_with(
    headers: Mapping[str, str], id_: str, scope: Scope, *, joined: str, now: datetime
) -> OrganizationCall | None:
    """Authorize a call and read the subquery `joined` in the same statement.

    The organization may be deleted. See `find_key_with` for the subquery.
    """
    text = api_key_of(headers)
    if not text:
        return None
    key, organization, row = find_key_with(
        hash_key(text), organization_id=row_id(id_), now=now, joined=joined
    )
    principal = _principal(headers, key, organization, scope, now)
    if principal is None or organization is None:
        return None
    return OrganizationCall(principal, organization, row)


def _principal(
    headers: Mapping[str, str],
    key: KeyFacts | None,
    organization: Organization | None,
    scope: Scope,
    now: datetime,
) -> Principal | None:
    """Return the caller, or None if the call is refused or the key's use is due."""
    if key is None or organization is None:
        return None
    address = client_address(headers)
    if is_use_due(key, address, now):
        return None
    principal = principal_of_key(key)
    is_allowed = (
        scope in principal.scopes
        and principal.reaches(organization)
        and is_allowed_from(key.address_ranges, address)
    )
    return principal if is_allowed else None
