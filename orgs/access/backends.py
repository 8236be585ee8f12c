"""The person of every page: who, of which white label, and what they may do."""

from functools import cache
from typing import Any

from django.contrib.auth.backends import ModelBackend

from orgs.models import User, WhiteLabel
from orgs.queries.prepared import fetch_all

_MAY = """
array(select c.app_label || '.' || p.codename
    from auth_permission p join django_content_type c on c.id = p.content_type_id
    where {is_superuser} or p.id in (
        select permission_id from orgs_user_user_permissions where user_id = {user}
        union all
        select g.permission_id from auth_group_permissions g
        join orgs_user_groups r on r.group_id = g.group_id where r.user_id = {user}))
"""
_PERMISSIONS = f"select {_MAY.format(is_superuser='false', user='%(user)s')}"
_PERSON = """
select {may}, {columns} from orgs_user u
left join orgs_whitelabel w on w.id = u.white_label_id where u.id = %(user)s
"""


class ReadsPeople:
    """For a backend of Django's: a page's person costs one statement, not five."""

    def get_user(self, user_id: int) -> User | None:
        rows = fetch_all(_statement(), {"user": user_id})
        if not rows:
            return None
        may, values = rows[0][0], rows[0][1:]
        ours, theirs = _columns()
        user = User.from_db("default", ours, values[: len(ours)])
        if user.white_label_id is not None:
            label = WhiteLabel.from_db("default", theirs, values[len(ours) :])
            user.white_label = label
        user._perm_cache = set(may)  # type: ignore[attr-defined]
        return user if user.is_active else None


class RoleBackend(ReadsPeople, ModelBackend):
    """Django's own, but for how it reads."""

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Kept with the user, who is read anew for each request."""
        if not isinstance(user_obj, User) or not user_obj.is_active or obj is not None:
            return set()
        if user_obj.is_superuser:
            return super().get_all_permissions(user_obj)
        if not hasattr(user_obj, "_perm_cache"):
            rows = fetch_all(_PERMISSIONS, {"user": user_obj.pk})
            user_obj._perm_cache = set(rows[0][0])  # type: ignore[attr-defined]
        found: set[str] = user_obj._perm_cache  # type: ignore[attr-defined]
        return found


@cache
def _columns() -> tuple[list[str], list[str]]:
    ours, theirs = (
        [field.attname for field in model._meta.concrete_fields]
        for model in (User, WhiteLabel)
    )
    return ours, theirs


@cache
def _statement() -> str:
    ours, theirs = _columns()
    names = [*(f"u.{name}" for name in ours), *(f"w.{name}" for name in theirs)]
    may = _MAY.format(is_superuser="u.is_superuser", user="u.id")
    return _PERSON.format(may=may, columns=", ".join(names))
