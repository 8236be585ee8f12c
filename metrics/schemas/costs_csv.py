"""The rows of costs and usage in CSV files, for the API and the pages alike."""

from collections.abc import Iterator

from metrics.catalog import METERS
from metrics.queries.series import Series
from orgs.schemas.csv import Cell

COST_COLUMNS = (
    "bucket",
    "product",
    "cost",
    "benchmark_cost",
    "currency",
    "unpriced_quantity",
)


def cost_rows(costs: Series, currency: str) -> Iterator[list[Cell]]:
    """Yield a row for each bucket and product with usage.

    If none of the usage has a price, the costs are empty, not 0.
    """
    for bucket in costs.buckets:
        for line, amounts in costs.amounts_in(bucket):
            benchmark = None if amounts.has_no_price else amounts.benchmark_cost
            yield [
                *(bucket, line.id, amounts.priced_cost, benchmark, currency),
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
