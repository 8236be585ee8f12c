"""Unused indexes of the growing tables, and their sizes.

An index makes every write more expensive. PostgreSQL counts the scans of an index;
here the partitions of an index count as one. Checks of a unique constraint are not
scans, so unique indexes are marked.
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
_STATISTICS_DELAY_SECONDS = 1.5  # sessions report their counts once a second

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
    """An index that was not scanned; a unique one still enforces its constraint."""

    table: str
    name: str
    size: int  # bytes
    is_unique: bool


def reset_counts(connection: Database) -> None:
    """Reset the counts of the database to 0; requires a superuser."""
    connection.execute("select pg_stat_reset()")


def unused(*connections: Database) -> list[Index]:
    """Return the indexes that none of the databases used, largest first.

    Sizes are those of the last database. Waits until all sessions have reported their
    counts.
    """
    time.sleep(_STATISTICS_DELAY_SECONDS)
    unscanned = [_unscanned(connection) for connection in connections]
    name_sets = ({index.name for index in indexes} for indexes in unscanned)
    names = set.intersection(*name_sets)
    return [index for index in unscanned[-1] if index.name in names]


def _unscanned(connection: Database) -> list[Index]:
    rows = connection.execute(_UNUSED.encode(), {"tables": list(_TABLES)}).fetchall()
    return [Index(*row) for row in rows]


def describe_unused(*connections: Database) -> str:
    """Return `indexes unused by the bench: name (table) 12.3 MB, …`."""
    descriptions = ", ".join(map(_describe, unused(*connections)))
    return f"indexes unused by the bench: {descriptions or 'none'}"


def _describe(index: Index) -> str:
    kind = ", unique" if index.is_unique else ""
    return f"{index.name} ({index.table}{kind}) {index.size / 1e6:.1f} MB"
