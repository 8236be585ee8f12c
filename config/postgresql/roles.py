"""The two roles of PostgreSQL: an owner that migrates, and the application.

The application reads and writes rows; of what is evidence it may only add rows. It owns
nothing, so it cannot disable a trigger, change a function, or give itself a right.
`protect` is run after each migrate, and may be run at any time.
"""

from django.conf import settings
from django.db import connection
from psycopg import sql

from orgs.queries.evidence import evidence_tables

# --- functions --------------------------------------------------------------------

# pghistory's own function updates a context whose metadata changed, so it needs the
# right to update. This one adds a row for each content, found by a hash of it.
_ATTACH_CONTEXT = """
create or replace function _pgh_attach_context() returns pghistory_context.id%type
language plpgsql as $$
declare
    sent text := current_setting('pghistory.context_metadata', true);
    context_id uuid;
begin
    if coalesce(sent, '') = ''
            or coalesce(current_setting('pghistory.context_id', true), '') = '' then
        return null;
    end if;
    context_id := md5(current_setting('pghistory.context_id') || sent)::uuid;
    insert into pghistory_context (id, metadata, created_at, updated_at)
        values (context_id, sent::jsonb, now(), now()) on conflict (id) do nothing;
    return context_id;
end $$;
"""
# The functions of django-pgtrigger do nothing for triggers that a setting of the
# session names, and every role may set it. Orgdesk ignores none.
_IGNORE_NONE = """
create or replace function _pgtrigger_should_ignore(trigger_name name)
returns boolean language plpgsql as $$ begin return false; end $$;
"""
# A temporary table is found before one of the schema: one with the name of a history
# table would receive what a trigger writes. With a fixed path it is found last.
_FUNCTIONS = """
select p.oid::regprocedure::text from pg_proc p
where p.pronamespace = 'public'::regnamespace
    and (p.prorettype = 'trigger'::regtype or p.proname = '_pgh_attach_context')
    and not exists (select from pg_depend d
        where d.objid = p.oid and d.deptype = 'e')
    and not coalesce(p.proconfig::text like '%search_path=public, pg_temp%', false)
"""


def _fix_functions() -> None:
    """Make the functions of triggers independent of the settings of a session."""
    with connection.cursor() as cursor:
        cursor.execute(_ATTACH_CONTEXT + _IGNORE_NONE)
        cursor.execute(_FUNCTIONS)
        for (signature,) in cursor.fetchall():
            cursor.execute(
                f"alter function {signature} set search_path = public, pg_temp"
            )


# --- rights -----------------------------------------------------------------------

# Each row is a change of money itself, so no copies of them are kept.
_JOURNALS = ("billing_creditentry", "billing_chargedecision")
_GRANTS = """
revoke create on schema public from public;
grant usage on schema public to {role};
revoke all on all tables in schema public from {role};
grant select, insert, update, delete on all tables in schema public to {role};
revoke all on all sequences in schema public from {role};
grant usage, select on all sequences in schema public to {role};
revoke insert, update, delete on django_migrations from {role};
revoke update, delete on {evidence} from {role};
revoke delete on billing_charge from {role};
"""


def protect() -> None:
    """Fix the functions, and give the application's role its rights; as the owner.

    Without a second role only the functions are fixed. Raises a `ProgrammingError` if
    the role does not exist or the present one is not the owner.
    """
    _fix_functions()
    role = settings.APPLICATION_ROLE
    if role and not settings.DATABASE_URL_IS_SET and not role_exists(role):
        create_role(role, None)  # its folder, not a password, keeps others out
    if role and role_exists(role):
        grant(role)


def grant(role: str) -> None:
    """Give a role the rights of the application, and no others."""
    tables = [*evidence_tables(), *_JOURNALS]
    evidence = sql.SQL(", ").join(map(sql.Identifier, tables))
    statement = sql.SQL(_GRANTS).format(role=sql.Identifier(role), evidence=evidence)
    _execute(statement)


def role_exists(role: str) -> bool:
    """Return whether PostgreSQL has a role of this name."""
    with connection.cursor() as cursor:
        cursor.execute("select from pg_roles where rolname = %s", [role])
        return cursor.fetchone() is not None


def is_migrated() -> bool:
    """Return whether the tables of the history exist."""
    with connection.cursor() as cursor:
        cursor.execute("select to_regclass('orgs_historyseal') is not null")
        return bool(cursor.fetchone()[0])


def create_role(role: str, password: str | None) -> None:
    """Create the role that logs in as the application; it may nothing by itself."""
    hashed = _hash_password(role, password) if password else None
    statement = sql.SQL(
        "create role {} login nosuperuser nocreatedb nocreaterole noreplication"
        " password {}"
    )
    _execute(statement.format(sql.Identifier(role), sql.Literal(hashed)))


def _hash_password(role: str, password: str) -> str:
    """Return what PostgreSQL stores, so that no log of statements has the password."""
    connection.ensure_connection()
    raw = connection.connection.pgconn
    encoding = "utf-8"
    hashed: bytes = raw.encrypt_password(
        password.encode(encoding), role.encode(encoding), b"scram-sha-256"
    )
    return hashed.decode()


def _execute(statement: sql.Composed) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement.as_string(cursor.cursor))


# --- what holds -------------------------------------------------------------------

_SUPERUSER = "select rolsuper from pg_roles where rolname = current_user"
_ALTERABLE = """
select c.relname::text from pg_class c
where c.oid = any(%(tables)s::text[]::regclass[]) and (
    pg_has_role(current_user, c.relowner, 'member')
    or has_table_privilege(c.oid, 'update, delete, truncate, trigger'))
order by 1
"""


def can_change_history() -> str:
    """Return how the present role can change the history; empty if it cannot."""
    with connection.cursor() as cursor:
        cursor.execute(_SUPERUSER)
        if cursor.fetchone()[0]:
            return "The role of the application is a superuser of PostgreSQL."
        cursor.execute(_ALTERABLE, {"tables": evidence_tables()})
        names = [name for (name,) in cursor.fetchall()]
    if not names:
        return ""
    return f"The role of the application can change the history: {', '.join(names)}."
