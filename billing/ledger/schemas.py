"""The rows of a difference of costs in CSV files, for the API and the pages alike."""

from collections.abc import Iterator

from billing.ledger.queries.cost_differences import (
    USAGE_KINDS,
    CostDifference,
    TermKind,
)
from orgs.schemas.csv import Cell

DIFFERENCE_COLUMNS = (
    *("line", "product", "meter", "project_id", "project"),
    *("quantity", "compare_quantity", "cost", "compare_cost", "difference"),
    *(kind.value for kind in USAGE_KINDS),
    *("unpriced_quantity", "compare_unpriced_quantity", "currency"),
)


def difference_rows(difference: CostDifference) -> Iterator[list[Cell]]:
    """Yield a row for each product, meter, and project, and each term of invoices.

    The costs of all rows add up to the totals, and the differences to the difference. A
    cost is empty if nothing of the usage has a price.
    """
    for row in difference.parts:
        yield [
            "usage",
            *row.key[:2],
            row.key.project_id or None,
            difference.project_names[row.key.project_id],
            *(row.part.quantity, row.compared.quantity),
            *(row.part.priced_cost, row.compared.priced_cost, row.terms.total),
            *(getattr(row.terms, kind) for kind in USAGE_KINDS),
            *(row.part.unpriced_quantity, row.compared.unpriced_quantity),
            difference.currency,
        ]
    for kind in TermKind:
        if difference.is_invoiced and not kind.is_usage:
            yield _invoice_row(kind, difference)


def _invoice_row(kind: TermKind, difference: CostDifference) -> list[Cell]:
    now, before = difference.invoiced_amounts(kind)
    empty: list[Cell] = [None] * len(USAGE_KINDS)
    return [
        *(kind.value, None, None, None, None, None, None),
        *(now, before, now - before, *empty, None, None, difference.currency),
    ]
