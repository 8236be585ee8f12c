"""The list of organizations as a table for a spreadsheet: the list's own numbers."""

from collections.abc import Iterable

from billing.console.queries.organization_list import FleetRow
from orgs.schemas.csv import Cell, csv_text

_COLUMNS = (
    "id",
    "external_id",
    "name",
    "white_label",
    "state",
    "currency",
    "cost_30_days",
    "cost_30_days_before",
    "cost_this_period",
    "next_limit",
    "next_limit_amount",
    "next_limit_is_crossed",
    "next_limit_on",
    "created_at",
)


def organizations_csv(rows: Iterable[FleetRow]) -> str:
    """Money as it is kept, not as it is rounded for a page; states by semicolons."""
    return csv_text(_COLUMNS, map(_cells, rows))


def _cells(row: FleetRow) -> list[Cell]:
    one, limit = row.organization, row.limit
    return [
        one.pk,
        one.external_id,
        one.name,
        one.white_label.slug,
        "; ".join(badge.label for badge in row.badges),
        one.white_label.currency,
        row.recent.cost,
        row.recent.cost_before,
        row.period.cost,
        limit.label if limit else None,
        limit.amount if limit else None,
        str(limit.is_reached).lower() if limit else None,
        limit.day if limit else None,
        one.created_at,
    ]
