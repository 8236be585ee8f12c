"""Permissions of people, in one statement instead of two with all their names."""

from typing import Any

from django.contrib.auth.backends import ModelBackend

from orgs.models import User
from orgs.queries.prepared import fetch_all

_PERMISSIONS = """
select c.app_label || '.' || p.codename
from auth_permission p join django_content_type c on c.id = p.content_type_id
where p.id in (
    select permission_id from orgs_user_user_permissions where user_id = %(user)s
    union all
    select g.permission_id from auth_group_permissions g
    join orgs_user_groups u on u.group_id = g.group_id where u.user_id = %(user)s)
"""


class RoleBackend(ModelBackend):
    """Django's own, but for how it reads: every page asks what its person may do."""

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Kept with the user, who is read anew for each request."""
        if not isinstance(user_obj, User) or not user_obj.is_active or obj is not None:
            return set()
        if user_obj.is_superuser:
            return super().get_all_permissions(user_obj)
        if not hasattr(user_obj, "_perm_cache"):
            rows = fetch_all(_PERMISSIONS, {"user": user_obj.pk})
            user_obj._perm_cache = {name for (name,) in rows}  # type: ignore[attr-defined]
        found: set[str] = user_obj._perm_cache  # type: ignore[attr-defined]
        return found
