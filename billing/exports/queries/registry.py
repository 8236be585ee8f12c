"""The registry of all tables that can be downloaded."""

from billing.exports.queries import billing_tables, people_tables
from billing.exports.queries.difference_tables import COST_DIFFERENCE
from billing.exports.queries.event_tables import EVENT_TABLES
from billing.exports.queries.fleet_tables import FLEET_TABLES
from billing.exports.queries.history_tables import HISTORY_TABLES
from billing.exports.queries.tables import Level, Table
from billing.exports.queries.usage_tables import COMPUTED_TABLES
from orgs.errors import NotFound

_MODEL_TABLES = (*billing_tables.MODEL_TABLES, *people_tables.MODEL_TABLES)
TABLES: dict[str, Table] = {
    table.slug: table
    for table in (
        *(declared.build() for declared in _MODEL_TABLES),
        *COMPUTED_TABLES,
        COST_DIFFERENCE,
        *EVENT_TABLES,
        *HISTORY_TABLES,
        *FLEET_TABLES,
    )
}


def get_table(slug: str, level: Level) -> Table:
    """Return a table; raises `NotFound` for one that does not exist at this level."""
    table = TABLES.get(slug)
    if table is None or level not in table.levels:
        raise NotFound("Table not found.")
    return table
