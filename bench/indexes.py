"""Which indexes of the tables that grow nobody has used, and what they weigh.

An index costs every write. PostgreSQL counts its scans; partitions of one index count
as one. Checks of a unique constraint are no scans, so its index is told apart.
"""

import time
from dataclasses import dataclass

from bench.data import Database

_TABLES = (
    "metrics_dailyusage",
    "metrics_dailymetric",
    "metrics_usageevent",
    "metrics_organizationranking",
    "metrics_openperiod",
    "metrics_fleettotal",
    "orgs_organization",
    "orgs_apikey",
)
_REPORTED_SECONDS = 1.5  # a session tells its counts once a second

_UNUSED = """
select t.relname, n.relname, sum(pg_relation_size(s.indexrelid))::bigint,
    bool_or(x.indisunique)
from pg_stat_user_indexes s
join pg_index x on x.indexrelid = s.indexrelid
left join pg_inherits i on i.inhrelid = s.indexrelid
join pg_class n on n.oid = coalesce(i.inhparent, s.indexrelid)
join pg_index y on y.indexrelid = n.oid
join pg_class t on t.oid = y.indrelid
where t.relname = any(%(tables)s)
group by 1, 2 having sum(s.idx_scan) = 0
order by 3 desc, 2
"""


@dataclass(frozen=True, slots=True)
class Index:
    """One that was not scanned; a unique one earns its bytes by refusing."""

    table: str
    name: str
    size: int  # bytes
    is_unique: bool


def forget(connection: Database) -> None:
    """Count from 0 on; takes a superuser."""
    connection.execute("select pg_stat_reset()")


def unused(*connections: Database) -> list[Index]:
    """In none of these databases, as they are in the last one: largest first.

    Waits until everyone who was here has told what they did.
    """
    time.sleep(_REPORTED_SECONDS)
    each = [_unscanned(connection) for connection in connections]
    names = set.intersection(*({index.name for index in found} for found in each))
    return [index for index in each[-1] if index.name in names]


def _unscanned(connection: Database) -> list[Index]:
    found = connection.execute(_UNUSED.encode(), {"tables": list(_TABLES)}).fetchall()
    return [Index(*row) for row in found]


def told(*connections: Database) -> str:
    """`indexes unused by the bench: name (table) 12.3 MB, …`."""
    each = ", ".join(map(_told, unused(*connections)))
    return f"indexes unused by the bench: {each or 'none'}"


def _told(index: Index) -> str:
    kind = ", unique" if index.is_unique else ""
    return f"{index.name} ({index.table}{kind}) {index.size / 1e6:.1f} MB"
