"""The gate of the plainest calls: a key, and an organization that it reaches.

Nothing is said here of what is not in order: the answer is none, and the long way
finds it again and says it in the words of its contract.
"""

from django.utils import timezone

from orgs.access.calls import owned_by
from orgs.access.credentials import key_text, may_wait, principal_of_key
from orgs.access.gate import row_id
from orgs.access.limits import count_call
from orgs.access.principals import Principal
from orgs.catalog import Scope
from orgs.crypto import hash_key
from orgs.errors import RateLimited
from orgs.models import Organization
from orgs.queries.reach import find_key, find_organization

Reached = tuple[Principal, Organization]


def reach(
    headers: dict[str, str], id_: str, scope: Scope, *, include_deleted: bool = False
) -> Reached | None:
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
    if key is None or organization is None:
        return None
    if organization.deleted_at is not None and not include_deleted:
        return None
    found = principal_of_key(key)
    if scope not in found.scopes or not found.reaches(organization):
        return None
    return (found, organization) if may_wait(key.used_at, now) else None


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


def count(reached: Reached) -> bool:
    """Count the call; false when there were too many, which then is not counted."""
    try:
        count_call(*reached)
    except RateLimited:
        return False
    return True
