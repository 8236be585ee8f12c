"""The gate of the plainest calls: a key, and an organization that it reaches.

Nothing is said here of what is not in order: the answer is none, and the long way
finds it again and says it in the words of its contract.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from orgs.access.calls import owned_by
from orgs.access.credentials import key_text, may_wait, principal_of_key
from orgs.access.gate import row_id
from orgs.access.limits import count_call
from orgs.access.principals import Principal
from orgs.catalog import Scope
from orgs.crypto import hash_key
from orgs.errors import RateLimited
from orgs.models import Organization, WhiteLabel
from orgs.queries.reach import (
    KeyFacts,
    find_key,
    find_key_beside,
    find_key_of_label,
    find_organization,
)

Reached = tuple[Principal, Organization]


def reach(headers: dict[str, str], id_: str, scope: Scope) -> Reached | None:
    """Who calls, and the organization of this id; `headers` are those of WSGI.

    One statement. Not counted yet: whoever has looked at the rest of the call counts.
    """
    text = key_text(headers)
    if not text:
        return None
    now = timezone.now()
    key, organization = find_key(
        hash_key(text), organization_id=row_id(id_), now=now, is_hot=True
    )
    if organization is None or organization.deleted_at is not None:
        return None
    return _reached(key, organization, scope, now)


def reach_beside(
    headers: dict[str, str], id_: str, scope: Scope, *, beside: str, now: datetime
) -> tuple[Reached, Sequence[Any]] | None:
    """The same of one that may be deleted, with what is read beside it."""
    text = key_text(headers)
    if not text:
        return None
    key, organization, row = find_key_beside(
        hash_key(text), organization_id=row_id(id_), now=now, beside=beside
    )
    reached = _reached(key, organization, scope, now)
    return (reached, row) if reached else None


def caller(
    headers: dict[str, str], scope: Scope
) -> tuple[Principal, WhiteLabel] | None:
    """Who calls something that names no organization, and their key's white label."""
    text = key_text(headers)
    if not text:
        return None
    now = timezone.now()
    key, white_label = find_key_of_label(hash_key(text), now=now)
    if key is None or white_label is None or not may_wait(key.used_at, now):
        return None
    found = principal_of_key(key)
    return (found, white_label) if scope in found.scopes else None


def _reached(
    key: KeyFacts | None, organization: Organization | None, scope: Scope, now: datetime
) -> Reached | None:
    if key is None or organization is None or not may_wait(key.used_at, now):
        return None
    found = principal_of_key(key)
    if scope not in found.scopes or not found.reaches(organization):
        return None
    return found, organization


def reach_inside(
    headers: dict[str, str], owner_id: str, inner_id: str, scope: Scope
) -> tuple[Reached, Organization] | None:
    """The same for an organization inside the white label that another owns."""
    reached = reach(headers, owner_id, scope)
    inner = find_organization(row_id(inner_id), is_hot=True) if reached else None
    if reached is None or inner is None or inner.deleted_at is not None:
        return None
    principal, owner = reached
    label = owned_by(owner)
    if principal.organization_id is not None or label is None:
        return None
    if inner.white_label_id != label.pk or not principal.reaches(inner):
        return None
    return reached, inner


def count(found: Principal, organization: Organization | None = None) -> bool:
    """Count the call; false when there were too many, which then is not counted."""
    try:
        count_call(found, organization)
    except RateLimited:
        return False
    return True
