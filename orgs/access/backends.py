"""Authentication backends that read a user with all that a request asks about it."""

from functools import cache
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import make_password
from django.db import DEFAULT_DB_ALIAS
from django.http import HttpRequest

from orgs.models import User, WhiteLabel
from orgs.queries.accounts import find_account
from orgs.queries.prepared import fetch_all

# The permissions as `app.codename`: all of them for superusers, otherwise those of the
# user and of the user's groups. It replaces five statements of Django's backend.
# Recovery codes alone are no second factor.
_USER = """
select array(select c.app_label || '.' || p.codename
        from auth_permission p join django_content_type c on c.id = p.content_type_id
        where u.is_superuser or p.id in (
            select permission_id from orgs_user_user_permissions where user_id = u.id
            union all
            select g.permission_id from auth_group_permissions g
            join orgs_user_groups m on m.group_id = g.group_id where m.user_id = u.id)),
    exists(select from mfa_authenticator f
        where f.user_id = u.id and f.type in ('totp', 'webauthn')),
    {columns}
from orgs_user u
left join orgs_whitelabel w on w.id = u.white_label_id
where u.id = %(user_id)s
"""


class RoleBackend(ModelBackend):
    """The backend of all accounts: login by username or email address, and rights.

    A user is read in one statement, not five, with the permissions, which are stored on
    the user object at each request. For a user object that was loaded otherwise, Django
    reads the permissions as usual.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **credentials: Any,
    ) -> User | None:
        """Return the active user of a name and password, or None.

        Hashes once, whether the password is right or wrong and the account unknown or
        inactive, so that the time discloses nothing.
        """
        name = username or str(credentials.get("email") or "")
        if not name or password is None:
            return None
        user = find_account(name)
        if user is None:
            make_password(password)
            return None
        is_right = user.check_password(password)
        return user if is_right and self.user_can_authenticate(user) else None

    def get_user(self, user_id: int) -> User | None:
        """Return the active user of a session, with white label and permissions."""
        rows = fetch_all(_statement(), {"user_id": user_id})
        if not rows:
            return None
        permissions, has_second_factor, *values = rows[0]
        user_names, label_names = _names(User), _names(WhiteLabel)
        user_values, label_values = values[: len(user_names)], values[len(user_names) :]
        user = User.from_db(DEFAULT_DB_ALIAS, user_names, user_values)
        if user.white_label_id is not None:
            user.white_label = WhiteLabel.from_db(
                DEFAULT_DB_ALIAS, label_names, label_values
            )
        user.read_permissions = set(permissions)
        user.has_second_factor = has_second_factor
        return user if user.is_active else None

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return what `get_user` read, or ask Django about a user it did not read."""
        permissions: set[str] | None = getattr(user_obj, "read_permissions", None)
        if permissions is None or obj is not None or not user_obj.is_active:
            all_permissions: set[str] = super().get_all_permissions(user_obj, obj)
            return all_permissions
        return permissions


@cache
def _statement() -> str:
    names = [f"u.{name}" for name in _names(User)]
    names += [f"w.{name}" for name in _names(WhiteLabel)]
    return _USER.format(columns=", ".join(names))


@cache
def _names(model: type[User | WhiteLabel]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]
