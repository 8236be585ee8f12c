"""Authorize the calls of the fast path: an API key, and the organization it reaches.

Every function returns None where Django has to answer: the call is refused, or the use
of the key has to be noted. Django then reads again and answers with the reason. Nothing
is counted or written here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.utils import timezone

from orgs.access.credentials import key_text, may_wait, principal_of_key
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
    """A call that names an organization; `joined` are columns read along with it."""

    principal: Principal
    organization: Organization
    joined: Sequence[Any] = ()


def authorize_organization(
    headers: Mapping[str, str], id_: str, scope: Scope
) -> OrganizationCall | None:
    """Return the caller and the organization of this id, unless it is deleted.

    `headers` are those of WSGI. One statement.
    """
    text, now = key_text(headers), timezone.now()
    if not text:
        return None
    key, organization = find_key(
        hash_key(text), organization_id=row_id(id_), now=now, fields=FAST_PATH_FIELDS
    )
    if organization is None or organization.deleted_at is not None:
        return None
    principal = _principal(key, organization, scope, now)
    return OrganizationCall(principal, organization) if principal else None


def authorize_organization_with(
    headers: Mapping[str, str], id_: str, scope: Scope, *, joined: str, now: datetime
) -> OrganizationCall | None:
    """Return the same, deleted or not, with the columns of the subquery `joined`."""
    text = key_text(headers)
    if not text:
        return None
    key, organization, row = find_key_with(
        hash_key(text), organization_id=row_id(id_), now=now, joined=joined
    )
    principal = _principal(key, organization, scope, now)
    if principal is None or organization is None:
        return None
    return OrganizationCall(principal, organization, row)


def _principal(
    key: KeyFacts | None, organization: Organization | None, scope: Scope, now: datetime
) -> Principal | None:
    if key is None or organization is None or not may_wait(key.used_at, now):
        return None
    principal = principal_of_key(key)
    is_allowed = scope in principal.scopes and principal.reaches(organization)
    return principal if is_allowed else None
