"""Empty the tables after a test that commits, in place of Django's flush.

Django truncates every table and then makes all permissions and roles again: a second of
CPU each time. Here only tables with rows are emptied, and what a migrate fills stays,
unless the test changed it.
"""

from django.core.management import call_command
from django.db import connection, transaction

from tests.support import snapshots

_FILLED = {  # by a migrate: nothing else is in a new database
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_content_type",
    "django_migrations",
}
_TABLES = """
select quote_ident(relname) from pg_class
where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
    and not relispartition and relname <> all(%s)
order by relname
"""
_FINGERPRINT = """
select md5(string_agg(line, ',' order by line)) from (
    select 'group' || g::text from auth_group g
    union all select 'permission' || p::text from auth_permission p
    union all select 'granted' || r::text from auth_group_permissions r
    union all select 'type' || t::text from django_content_type t
) as filled (line)
"""


class Emptying:
    """Knows the tables and roles of the new database, before the first test."""

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_TABLES, [sorted(_FILLED)])
            self.tables = [name for (name,) in cursor.fetchall()]
        self.filled = _fingerprint()

    def __call__(self) -> None:
        if _fingerprint() != self.filled:
            call_command("flush", verbosity=0, interactive=False)
            self.filled = _fingerprint()  # the same roles, with new ids
            snapshots.forget()
        self._delete()

    def _delete(self) -> None:
        """Delete all rows without running triggers, the history's included."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                " union all ".join(
                    f"select '{table}' where exists (select from {table})"
                    for table in self.tables
                )
            )
            names = [name for (name,) in cursor.fetchall()]
            cursor.execute("set local session_replication_role = replica")
            for name in names:
                cursor.execute(f"delete from {name}")


def _fingerprint() -> str:
    with connection.cursor() as cursor:
        cursor.execute(_FINGERPRINT)
        return str(cursor.fetchone()[0])
