"""Who asks: a key, or a person, and what each may do."""

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser

from orgs.catalog import Scope
from orgs.errors import Forbidden
from orgs.models import Organization, User

# What a permission of a person is worth as a scope.
_SCOPES_BY_PERMISSION = {
    "orgs.view_organization": Scope.ORGANIZATIONS_READ,
    "orgs.change_organization": Scope.ORGANIZATIONS_WRITE,
    "billing.view_invoice": Scope.BILLING_READ,
    "billing.change_spendinglimit": Scope.BILLING_WRITE,
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, and what they may reach; `name` is for logs and history.

    `key_id` is a key's, `user_id` a person's. `by_session`
    says that a browser's cookie was the credential: then a write needs its token.
    """

    name: str
    scopes: frozenset[Scope] = frozenset()
    white_label_id: int | None = None
    organization_id: int | None = None
    sees_all: bool = False
    key_id: int | None = None
    user_id: int | None = None
    by_session: bool = False

    def require(self, scope: Scope) -> None:
        """Raises `Forbidden`, naming what is missing."""
        if scope not in self.scopes:
            raise Forbidden(f"The scope {scope} is required.")

    def reaches(self, organization: Organization) -> bool:
        """What `visible` says of one row; nobody bound to nothing reaches anything."""
        if self.organization_id not in (None, organization.pk):
            return False
        if self.white_label_id is not None:
            return self.white_label_id == organization.white_label_id
        return self.sees_all and self.organization_id is None


def principal_of(user: User | AnonymousUser, *, by_session: bool = False) -> Principal:
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
        user_id=user.pk,
        by_session=by_session,
    )
