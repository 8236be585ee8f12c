"""The rows of costs and usage in CSV files, for the API and the pages alike."""

from collections.abc import Iterator

from metrics.catalog import METERS
from metrics.queries.series import GroupBy, Line, Series
from orgs.schemas.csv import Cell

_AMOUNTS = ("cost", "benchmark_cost", "currency", "unpriced_quantity")
LINE_COLUMNS = {  # what a line is of
    GroupBy.PRODUCT: ("product",),
    GroupBy.METER: ("meter",),
    GroupBy.PROJECT: ("project_id", "project"),
}
COST_COLUMNS = ("bucket", *LINE_COLUMNS[GroupBy.PRODUCT], *_AMOUNTS)


def cost_columns(group_by: GroupBy) -> tuple[str, ...]:
    """Return the columns of `cost_rows`."""
    return ("bucket", *LINE_COLUMNS[group_by], *_AMOUNTS)


def line_cells(line: Line, group_by: GroupBy) -> list[Cell]:
    """Return the cells of `LINE_COLUMNS`; usage without a project has no ID."""
    if group_by is GroupBy.PROJECT:
        return [None if line.id == "0" else line.id, line.name]
    return [line.id]


def cost_rows(costs: Series, currency: str) -> Iterator[list[Cell]]:
    """Yield a row for each bucket and line with usage.

    If none of the usage has a price, the costs are empty, not 0.
    """
    for bucket in costs.buckets:
        for line, amounts in costs.amounts_in(bucket):
            benchmark = None if amounts.has_no_price else amounts.benchmark_cost
            yield [
                *(bucket, *line_cells(line, costs.filters.group_by)),
                *(amounts.priced_cost, benchmark, currency),
                amounts.unpriced_quantity,
            ]


def usage_rows(usage: Series) -> Iterator[list[Cell]]:
    """Yield a row for each bucket and meter with usage, in whole units of the meter."""
    for bucket in usage.buckets:
        for line, amounts in usage.amounts_in(bucket):
            unit = METERS[line.id].unit.value if line.id in METERS else ""
            yield [
                *(bucket, line.id, unit),
                *(amounts.quantity, amounts.unpriced_quantity),
            ]
