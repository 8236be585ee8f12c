"""Fleets of any size, written by SQL; the same size and day give the same data.

Organizations are numbered from 1; the first has the external ID `org-0000001`. The
first `charted` ones have usage for a chart: 5 products on each of the last 30 days.
The first `metered` ones also have a year of daily metrics. All others have 36 rows of
daily usage: on 12 days, one of 20 products by three meters.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg import Connection, sql

from bench.tables import FLEET_TOTALS, STATEMENTS, WORDS

# Search words: the common one is in 1 of 20 names, the rare one in 10 of each fleet.
COMMON_WORD, RARE_WORD = "energy", "zyzzyva"
_BATCH_SIZE = 20_000  # organizations per statement

Database = Connection[tuple[Any, ...]]

_LOADED = (
    "orgs_organization",
    "orgs_entitlements",
    "orgs_member",
    "orgs_project",
    "metrics_openperiod",
    "metrics_organizationranking",
    "metrics_dailymetric",
    "metrics_dailyusage",
    "billing_billingaccount",
    "billing_billingperiod",
    "billing_limitranking",
    "billing_subscription",
    "billing_invoice",
    "billing_usagereason",
    "billing_alert",
    "billing_discrepancy",
    "billing_reasonsnooze",
)
_WITH_HISTORY = {
    "orgs_organization": "orgs_organizationevent",
    "orgs_entitlements": "orgs_entitlementsevent",
    "orgs_member": "orgs_memberevent",
    "orgs_project": "orgs_projectevent",
    "billing_billingaccount": "billing_billingaccountevent",
    "billing_subscription": "billing_subscriptionevent",
    "billing_invoice": "billing_invoiceevent",
    "billing_reasonsnooze": "billing_reasonsnoozeevent",
}


@dataclass(frozen=True, slots=True)
class FleetData:
    """The sizes and IDs of a fleet: organization `i` has the ID `first_id + i - 1`."""

    white_label_id: int
    organizations: int
    charted: int
    metered: int
    first_id: int
    today: date  # the last day with usage

    def organization_id(self, number: int) -> int:
        return self.first_id + number - 1


def external_id(number: int) -> str:
    return f"org-{number:07d}"


def build(
    connection: Database,
    *,
    white_label_id: int,
    organizations: int,
    charted: int = 0,
    metered: int = 0,
) -> FleetData:
    """Fill a migrated database through an autocommitting connection of a superuser.

    Triggers are off during this, so the history of the rows is written here as well.
    Takes about a minute per 100,000 organizations.
    """
    fleet = FleetData(
        white_label_id=white_label_id,
        organizations=organizations,
        charted=charted,
        metered=metered,
        first_id=_scalar(connection, "select max(id) + 1000 from orgs_organization"),
        today=_scalar(connection, _TODAY, {"white_label": white_label_id}),
    )
    connection.execute("set session_replication_role = replica")
    connection.execute("set synchronous_commit = off")
    with _without_indexes(connection):
        _fill(connection, fleet)
    connection.execute("reset session_replication_role")
    connection.execute("reset synchronous_commit")
    _vacuum(connection)
    return fleet


def _fill(connection: Database, fleet: FleetData) -> None:
    parameters = {
        "white_label": fleet.white_label_id,
        "charted": fleet.charted,
        "metered": fleet.metered,
        "base": fleet.first_id - 1,
        "today": fleet.today,
        "size": fleet.organizations,
    }
    for title, statement in STATEMENTS.items():
        began = time.monotonic()
        for start in range(1, fleet.organizations + 1, _BATCH_SIZE):
            stop = min(start + _BATCH_SIZE - 1, fleet.organizations)
            bounds = {"start": start, "stop": stop}
            connection.execute(statement.encode(), parameters | bounds)
        _print_step(f"{title} {time.monotonic() - began:.1f} s")
    for table, events in _WITH_HISTORY.items():
        _write_history(connection, table, events, fleet.first_id)
    connection.execute(WORDS.replace("%%", "%").encode())
    if _scalar(connection, "select to_regclass('metrics_fleettotal') is not null"):
        connection.execute(FLEET_TOTALS.encode())
    for table in (*_WITH_HISTORY, *_WITH_HISTORY.values()):
        _restart_identity(connection, table)


_TODAY = """
select (now() at time zone time_zone)::date from orgs_whitelabel
where id = %(white_label)s
"""


def _write_history(
    connection: Database, table: str, events: str, first_organization: int
) -> None:
    """Write the history that the triggers would have written: an insert of each row."""
    columns = _shared_columns(connection, table, events)
    key = _scalar(connection, _PRIMARY_KEY, {"table": table})
    owner = "id" if table == "orgs_organization" else "organization_id"
    statement = sql.SQL(
        "insert into {events} (pgh_created_at, pgh_label, pgh_obj_id, {columns})"
        " select now(), 'insert', {key}, {columns} from {table}"
        " where {owner} >= {first} order by {owner}"
    )
    connection.execute(
        statement.format(
            events=sql.Identifier(events),
            table=sql.Identifier(table),
            key=sql.Identifier(key),
            owner=sql.Identifier(owner),
            first=first_organization,
            columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        )
    )


_PRIMARY_KEY = """
select a.attname from pg_index i
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
where i.indrelid = %(table)s::regclass and i.indisprimary
"""
_COLUMNS = """
select column_name from information_schema.columns
where table_schema = 'public' and table_name = %(table)s
"""


def _shared_columns(connection: Database, table: str, events: str) -> list[str]:
    names = [
        {column for (column,) in connection.execute(_COLUMNS, {"table": name})}
        for name in (table, events)
    ]
    return sorted(names[0] & names[1])


def _restart_identity(connection: Database, table: str) -> None:
    """Set the sequence of a table after its IDs, which were written explicitly."""
    key = _scalar(connection, _PRIMARY_KEY, {"table": table})
    sequence = _scalar(
        connection,
        "select pg_get_serial_sequence(%(table)s, %(key)s)",
        {"table": table, "key": key},
    )
    if sequence is None:
        return
    statement = sql.SQL("select setval({}, coalesce(max({}), 0) + 1, false) from {}")
    connection.execute(
        statement.format(sequence, sql.Identifier(key), sql.Identifier(table))
    )


_INDEXES = """
select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index
where indrelid = any(%(tables)s::regclass[])
and not exists (select from pg_constraint where conindid = indexrelid)
"""


@contextmanager
def _without_indexes(connection: Database) -> Iterator[None]:
    """Drop the indexes that belong to no constraint, and build them at the end."""
    tables = [*_LOADED, *_WITH_HISTORY.values()]
    indexes = connection.execute(_INDEXES, {"tables": tables}).fetchall()
    for name, _ in indexes:
        connection.execute(sql.SQL("drop index {}").format(sql.SQL(name)))
    yield
    began = time.monotonic()
    connection.execute("set maintenance_work_mem = '512MB'")
    for _, definition in indexes:
        connection.execute(definition.encode())
    _print_step(f"{len(indexes)} indexes {time.monotonic() - began:.1f} s")


def _vacuum(connection: Database) -> None:
    """Vacuum and checkpoint, so that the database resembles one in long use."""
    began = time.monotonic()
    connection.execute("vacuum (analyze)")
    connection.execute("checkpoint")
    _print_step(f"vacuum {time.monotonic() - began:.1f} s")


def _scalar(connection: Database, statement: str, parameters: Any = None) -> Any:
    row = connection.execute(statement.encode(), parameters).fetchone()
    return row[0] if row else None


def _print_step(line: str) -> None:
    print(f"  built {line}", file=sys.stderr, flush=True)
