"""Principals: the API key or user behind a call, and what it may do."""

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser

from orgs.catalog import Scope
from orgs.errors import Forbidden
from orgs.models import Organization, User

# The scope that a user has by each Django permission.
_SCOPES_BY_PERMISSION = {
    "orgs.view_organization": Scope.ORGANIZATIONS_READ,
    "orgs.change_organization": Scope.ORGANIZATIONS_WRITE,
    "metrics.change_integration": Scope.INTEGRATIONS_WRITE,
    "billing.view_invoice": Scope.BILLING_READ,
    "billing.change_spendinglimit": Scope.BILLING_WRITE,
}


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a request, with its scopes and the rows it may access.

    `key_id` is set for an API key, `user_id` for a user. `by_session` is true if a
    browser's session cookie was the credential; a write then needs a CSRF token.
    `logged_in_at`, of a login token, is when its password was sent, in seconds since
    1970. `name` identifies it, such as `key 7`; `label` is what history and logs show.
    """

    name: str
    scopes: frozenset[Scope] = frozenset()
    white_label_id: int | None = None
    organization_id: int | None = None
    sees_all: bool = False
    key_id: int | None = None
    user_id: int | None = None
    by_session: bool = False
    label: str = ""
    logged_in_at: int | None = None

    def require(self, scope: Scope) -> None:
        """Raise `Forbidden` if the scope is missing; the message names it."""
        if scope not in self.scopes:
            raise Forbidden(f"The scope {scope} is required.")

    def reaches(self, organization: Organization) -> bool:
        """Return whether the organization is one of `permissions.visible`; no query."""
        if self.organization_id not in (None, organization.pk):
            return False
        if self.white_label_id is not None:
            return self.white_label_id == organization.white_label_id
        return self.sees_all and self.organization_id is None


def principal_of(
    user: User | AnonymousUser,
    *,
    by_session: bool = False,
    logged_in_at: int | None = None,
) -> Principal:
    """Return the principal of a user.

    A user of a white label sees its organizations; staff without one see all. Anonymous
    and inactive users see none.
    """
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
        logged_in_at=logged_in_at,
    )
