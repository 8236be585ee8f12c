"""An authentication backend that reads user, white label and permissions at once."""

from functools import cache
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db import DEFAULT_DB_ALIAS

from orgs.models import User, WhiteLabel
from orgs.queries.prepared import fetch_all

# The permissions as `app.codename`: all of them for superusers, otherwise those of the
# user and of the user's groups. It replaces five statements of Django's backend.
_USER = """
select array(select c.app_label || '.' || p.codename
        from auth_permission p join django_content_type c on c.id = p.content_type_id
        where u.is_superuser or p.id in (
            select permission_id from orgs_user_user_permissions where user_id = u.id
            union all
            select g.permission_id from auth_group_permissions g
            join orgs_user_groups m on m.group_id = g.group_id where m.user_id = u.id)),
    {columns}
from orgs_user u
left join orgs_whitelabel w on w.id = u.white_label_id
where u.id = %(user_id)s
"""


class UserReader:
    """A mixin for authentication backends that reads a user in one statement, not five.

    The permissions are stored on the user object, which is read at each request. For a
    user object that was loaded otherwise, Django reads the permissions as usual.
    """

    def get_user(self, user_id: int) -> User | None:
        """Return the active user of a session, with white label and permissions."""
        rows = fetch_all(_statement(), {"user_id": user_id})
        if not rows:
            return None
        permissions, values = rows[0][0], rows[0][1:]
        user_names, label_names = _names(User), _names(WhiteLabel)
        user_values, label_values = values[: len(user_names)], values[len(user_names) :]
        user = User.from_db(DEFAULT_DB_ALIAS, user_names, user_values)
        if user.white_label_id is not None:
            user.white_label = WhiteLabel.from_db(
                DEFAULT_DB_ALIAS, label_names, label_values
            )
        user.read_permissions = set(permissions)
        return user if user.is_active else None

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return what `get_user` read, or ask Django about a user it did not read."""
        permissions: set[str] | None = getattr(user_obj, "read_permissions", None)
        if permissions is None or obj is not None or not user_obj.is_active:
            all_permissions: set[str] = super().get_all_permissions(user_obj, obj)  # type: ignore[misc]
            return all_permissions
        return permissions


class RoleBackend(UserReader, ModelBackend):
    """Django's own backend, which reads the user in one statement."""


@cache
def _statement() -> str:
    names = [f"u.{name}" for name in _names(User)]
    names += [f"w.{name}" for name in _names(WhiteLabel)]
    return _USER.format(columns=", ".join(names))


@cache
def _names(model: type[User | WhiteLabel]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]
