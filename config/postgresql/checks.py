"""A check of the database: the application's role must not change the history."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.db import DatabaseError

_HINT = (
    "Let a role that owns the tables migrate (MIGRATION_DATABASE_URL), and the"
    " application use another one (DATABASE_URL): run `manage.py database_roles`."
)


def check_database_role(
    *, databases: Sequence[str] | None = None, **_: Any
) -> list[checks.CheckMessage]:
    """Warn if the role that the application uses is superuser or owns the history."""
    from config.postgresql.roles import can_change_history  # noqa: PLC0415  needs apps

    if not databases or not settings.DATABASE_URL_IS_SET:
        return []
    try:
        reason = can_change_history()
    except DatabaseError:
        return []  # not migrated yet
    if not reason:
        return []
    return [checks.Warning(reason, hint=_HINT, id="orgdesk.W010")]
