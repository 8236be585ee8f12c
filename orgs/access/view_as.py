"""The view of a request: the other account, or organization, that staff see it as.

`config.view_as` decides; everything else only asks `view_of`.
"""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from orgs.access.backends import RoleBackend
from orgs.access.principals import principal_of
from orgs.models import User, ViewAs

PERMISSION = "orgs.add_viewas"
SESSION_KEY = "view_as"


@dataclass(frozen=True, slots=True)
class View:
    """A view that goes on: `account` is None for that of an organization's member."""

    row: ViewAs
    account: User | None
    label: str
    ends_at: datetime
    zone: str

    @property
    def organization_id(self) -> int | None:
        return self.row.organization_id


def view_of(request: HttpRequest) -> View | None:
    """Return the view of a request; None if it is seen as the person themselves."""
    view = getattr(request, "view_as", None)
    return view if isinstance(view, View) else None


def read_view(row: ViewAs, person: User, now: datetime) -> View | None:
    """Return the view of a row; None if it is over, or not allowed any more.

    The person may have lost the permission, and the account its white label, since.
    """
    if row.is_over(now) or not _is_allowed(row, person):
        return None
    zone = row.white_label.time_zone
    if row.organization is not None:
        label = f"a member of {row.organization.name}"
        return View(row, None, label, row.ends_at, zone)
    account = RoleBackend().get_user(row.account_id or 0)
    if account is None or account.is_superuser:
        return None
    if account.white_label_id != row.white_label_id:
        return None
    label = f"{account.get_username()} of {row.white_label.name}"
    return View(row, account, label, row.ends_at, zone)


def _is_allowed(row: ViewAs, person: User) -> bool:
    principal = principal_of(person)
    label = row.white_label_id
    reaches = principal.sees_all or principal.white_label_id == label
    return reaches and person.has_perm(PERMISSION)
