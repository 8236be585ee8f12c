"""The application's role of PostgreSQL works, and cannot change the history."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from psycopg import sql

from config.postgresql.roles import can_change_history
from metrics.commands.partitions import drop_partitions, make_partitions
from metrics.queries.partitions import list_event_partitions
from orgs.commands.security_events import delete_old_events
from orgs.models import Member, Organization, SecurityEvent, WhiteLabel
from orgs.queries.evidence import evidence_tables
from orgs.queries.history import list_changes
from orgs.security_log import Kind, record

pytestmark = pytest.mark.django_db
DENIED = psycopg.errors.InsufficientPrivilege


@pytest.fixture(scope="module")
def session(django_db_setup: None) -> Iterator[psycopg.Connection]:
    """Log in as the application, beside the tests' connection."""
    database = settings.DATABASES["default"]
    opened = psycopg.connect(
        host=database["HOST"],
        dbname=database["NAME"],
        user=settings.APPLICATION_ROLE,
        autocommit=True,
    )
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "statement",
    [
        "update billing_creditentry set amount = 0",
        "delete from billing_creditentry",
        "update billing_chargedecision set amount = 0",
        "delete from billing_chargedecision",
        "delete from billing_charge",
    ],
)
def test_entries_of_money_are_only_ever_added(
    session: psycopg.Connection, statement: str
) -> None:
    with pytest.raises(DENIED):
        session.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "update {} set {column} = {column}",
        "delete from {}",
        "truncate {}",
        "drop table {}",
        "alter table {} disable trigger all",
        "create trigger t before insert on {} execute function orgs_guard_api_key()",
        "create rule r as on insert to {} do instead nothing",
    ],
)
def test_evidence_cannot_be_changed(
    session: psycopg.Connection, statement: str
) -> None:
    for table in evidence_tables():
        column = sql.Identifier(_column(session, table))
        with pytest.raises(DENIED):
            session.execute(
                sql.SQL(statement).format(sql.Identifier(table), column=column)
            )


def _column(session: psycopg.Connection, table: str) -> str:
    cursor = session.execute(
        "select attname::text from pg_attribute where attrelid = %s::regclass"
        " and attnum = 1",
        [table],
    )
    row = cursor.fetchone()
    assert row
    return str(row[0])


@pytest.mark.parametrize(
    "statement",
    [
        "set role orgdesk",
        "set session authorization orgdesk",
        "set session_replication_role = replica",
        "alter table orgs_organization disable trigger all",
        "drop trigger orgs_guard_api_key on orgs_apikey",
        "alter function _pgh_attach_context() rename to away",
        "create function mine() returns int language sql as 'select 1'",
        "create table mine ()",
        "alter role orgdesk_app superuser",
        "create role mine",
        "grant orgdesk to orgdesk_app",
        "delete from django_migrations",
        "truncate orgs_organization",
        "alter table metrics_usageevent add column mine int",
        "select setval('orgs_securityevent_id_seq', 1)",
    ],
)
def test_the_role_has_no_way_around(
    session: psycopg.Connection, statement: str
) -> None:
    with pytest.raises(DENIED):
        session.execute(statement)


def test_the_owner_is_recognized_as_one_that_can_change_history() -> None:
    assert "superuser" in can_change_history()
    with connection.cursor() as cursor:
        cursor.execute("set local role orgdesk_app")
        assert can_change_history() == ""
        cursor.execute("reset role")
        cursor.execute("grant update on orgs_securityevent to orgdesk_app")
        cursor.execute("set local role orgdesk_app")
    assert can_change_history().endswith("can change the history: orgs_securityevent.")


@pytest.fixture
def as_application(committed: None, acme: WhiteLabel) -> Iterator[None]:
    """Let the product use the connection of the application."""
    owner = connection.settings_dict["USER"]
    months = {month.name for month in list_event_partitions()}
    connection.close()
    connection.settings_dict["USER"] = settings.APPLICATION_ROLE
    yield
    connection.close()
    connection.settings_dict["USER"] = owner
    with connection.cursor() as cursor:
        for month in list_event_partitions():
            if month.name not in months:
                cursor.execute(f"drop table {month.name}")


ATTACKS = [
    "set pgtrigger.ignore = '{insert_insert,update_update,delete_delete}'",
    "create temporary table orgs_organizationevent (id bigint)",
    "create temporary table pghistory_context (like public.pghistory_context)",
    "set search_path = pg_temp, public",
]


@pytest.mark.usefixtures("as_application")
def test_no_setting_of_a_session_diverts_the_history(org: Organization) -> None:
    before = len(list_changes(org.pk))
    with connection.cursor() as cursor:
        for attack in ATTACKS:
            cursor.execute(attack)
        cursor.execute("update public.orgs_organization set rate_limit = 7")
        cursor.execute("drop table if exists pg_temp.orgs_organizationevent")
        cursor.execute("drop table if exists pg_temp.pghistory_context")
    connection.close()

    assert len(list_changes(org.pk)) == before + 1


@pytest.mark.usefixtures("as_application")
def test_a_context_that_was_written_stays_as_it_is(org: Organization) -> None:
    for name in ("ann", "mallory"):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "select set_config('pghistory.context_id', %s, true),"
                " set_config('pghistory.context_metadata', %s, true)",
                ["7" * 32, f'{{"username": "{name}"}}'],
            )
            cursor.execute(
                "update orgs_organization set domain = %s where id = %s", [name, org.pk]
            )

    assert [change.user for change in list_changes(org.pk)[:2]] == ["mallory", "ann"]


@pytest.mark.usefixtures("as_application")
def test_what_the_product_does_works_as_the_application(org: Organization) -> None:
    long_ago = date(2025, 3, 1)
    created = make_partitions(since=long_ago)
    assert "metrics_usageevent_2025_03" in created
    assert make_partitions(since=long_ago) == []
    Member.objects.create(organization=org, external_id="m").delete()
    record(Kind.LOGIN, subject="ann")
    assert [change.verb for change in list_changes(org.pk)[:2]] == ["removed", "added"]
    assert delete_old_events() is False


@pytest.mark.usefixtures("as_application")
def test_old_months_are_dropped_and_recent_ones_never(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_partitions(since=date(2025, 3, 1))
    monkeypatch.setattr(settings, "USAGE_EVENT_RETENTION", timedelta(days=430))
    assert "metrics_usageevent_2025_03" in {month.name for month in drop_partitions()}
    this_month = f"metrics_usageevent_{datetime.now(UTC):%Y_%m}"
    with (
        connection.cursor() as cursor,
        pytest.raises(Exception, match="too recent to be dropped"),
    ):
        cursor.execute("select metrics_drop_month(%s)", [this_month])


@pytest.mark.usefixtures("as_application")
def test_the_retention_deletes_old_security_events_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    SecurityEvent.objects.bulk_create(
        SecurityEvent(
            kind="login",
            outcome="success",
            actor_kind="person",
            at=timezone.now() - timedelta(days=days),
        )
        for days in (0, 80, 95, 500)
    )
    stored = SecurityEvent.objects.count()
    delete_old_events()
    assert SecurityEvent.objects.count() == stored - 1
    monkeypatch.setattr(settings, "SECURITY_LOG_RETENTION", timedelta(0))
    delete_old_events()
    assert SecurityEvent.objects.count() == stored - 2
