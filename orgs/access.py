"""The gate: nobody holds an organization they were not given.

Pages, API, admin, tasks and exports fetch organizations through here. It fails closed:
a principal without a white label, an organization or the right to all sees nothing.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from orgs.catalog import Scope
from orgs.crypto import hash_key
from orgs.errors import Forbidden, OrganizationNotFound
from orgs.models import ApiKey, Organization, User, WhiteLabel
from orgs.models.organizations import OrganizationQuerySet

_NOTE_USE_EVERY = timedelta(minutes=1)  # a write a minute per key, not per call
_MAX_ID = 2**63 - 1

# What a permission of a person is worth as a scope.
_SCOPES_BY_PERMISSION = {
    "orgs.view_organization": Scope.ORGANIZATIONS_READ,
    "orgs.change_organization": Scope.ORGANIZATIONS_WRITE,
    "billing.view_invoice": Scope.BILLING_READ,
    "billing.change_spendinglimit": Scope.BILLING_WRITE,
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, and what they may reach; `name` is for logs and history."""

    name: str
    scopes: frozenset[Scope] = frozenset()
    white_label_id: int | None = None
    organization_id: int | None = None
    sees_all: bool = False

    def require(self, scope: Scope) -> None:
        """Raises `Forbidden`, naming what is missing."""
        if scope not in self.scopes:
            raise Forbidden(f"This needs the scope {scope}.")


# --- who asks ---------------------------------------------------------------------


def principal_of(user: User | AnonymousUser) -> Principal:
    """A person: bound to a white label, or staff who see all, or nobody."""
    if not isinstance(user, User) or not user.is_active:
        return Principal(name="anonymous")
    granted = user.get_all_permissions()
    return Principal(
        name=user.get_username(),
        scopes=frozenset(
            scope for name, scope in _SCOPES_BY_PERMISSION.items() if name in granted
        ),
        white_label_id=user.white_label_id,
        sees_all=user.is_staff and user.white_label_id is None,
    )


def authenticate(request: HttpRequest) -> Principal | None:
    """The principal of an API call: a key in any of its forms, or a session."""
    text = _sent_key(request)
    if text is not None:
        return _principal_of_key(text)
    user = getattr(request, "user", None)
    if isinstance(user, User) and user.is_active:
        return principal_of(user)
    return None


def principal(request: HttpRequest) -> Principal:
    """Who was authenticated for this API call; `authenticate` put it there."""
    found = getattr(request, "auth", None)
    return found if isinstance(found, Principal) else Principal(name="nobody")


def _sent_key(request: HttpRequest) -> str | None:
    """`x-api-key`, or Authorization as ApiKey, Bearer, or Basic's password."""
    if header := request.headers.get("x-api-key"):
        return header.strip()
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    match kind.lower():
        case "apikey" | "bearer":
            return value.strip()
        case "basic":
            return _basic_password(value)
    return None


def _basic_password(value: str) -> str:
    try:
        decoded = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return decoded.partition(":")[2]


def _principal_of_key(text: str) -> Principal | None:
    now = timezone.now()
    key = (
        ApiKey.objects.filter(
            Q(expires_at=None) | Q(expires_at__gt=now),
            Q(organization=None) | Q(organization__deleted_at=None),
            key_hash=hash_key(text),
            revoked_at=None,
        )
        .only("name", "scopes", "white_label_id", "organization_id", "last_used_at")
        .first()
    )
    if key is None:
        return None
    if key.last_used_at is None or now - key.last_used_at > _NOTE_USE_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return Principal(
        name=f"key {key.pk}",
        scopes=frozenset(map(Scope, key.scopes)),
        white_label_id=key.white_label_id,
        organization_id=key.organization_id,
    )


# --- what they reach --------------------------------------------------------------


def visible(principal: Principal) -> OrganizationQuerySet:
    """Every organization the principal may see, deleted ones too."""
    organizations = Organization.objects.all()
    if principal.organization_id is not None:
        return organizations.filter(
            id=principal.organization_id, white_label_id=principal.white_label_id
        )
    if principal.white_label_id is not None:
        return organizations.filter(white_label_id=principal.white_label_id)
    return organizations if principal.sees_all else organizations.none()


def visible_white_labels(principal: Principal) -> list[WhiteLabel]:
    """The white labels the principal may choose between; few, by name."""
    white_labels = WhiteLabel.objects.order_by("name", "id")
    if principal.sees_all:
        return list(white_labels)
    return list(white_labels.filter(pk=principal.white_label_id or 0))


def get_organization(
    principal: Principal, id_: int | str, *, include_deleted: bool = False
) -> Organization:
    """One the principal may see, with its white label; raises `OrganizationNotFound`.

    A stranger's, an unknown and a malformed id are one answer: nothing is learnt.
    """
    organizations = visible(principal).select_related("white_label", "standing")
    if not include_deleted:
        organizations = organizations.present()
    found = organizations.filter(pk=_row_id(id_)).first()
    if found is None:
        raise OrganizationNotFound
    return found


def get_billed_organization(principal: Principal, id_: str) -> Organization:
    """As `get_organization`, in the words of contract C.

    There an existing organization out of reach is `organization.invalid_access`, 403.
    """
    try:
        return get_organization(principal, id_)
    except OrganizationNotFound:
        if Organization.objects.present().filter(pk=_row_id(id_)).exists():
            raise Forbidden("This key may not see that organization.") from None
        raise


def _row_id(id_: int | str) -> int:
    """The id, or one that no row has."""
    text = str(id_)
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_MAX_ID)):
        return 0
    number = int(text)
    return number if number <= _MAX_ID else 0
