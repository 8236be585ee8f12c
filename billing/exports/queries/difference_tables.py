"""The table of a difference of costs, with the ranges of the costs page."""

from collections.abc import Iterator, Sequence

from billing.console.forms import DIFFERENCE_PARAMETERS, read_difference_choice
from billing.exports.queries.tables import Amounts, Row, Selection, Span, Table
from billing.ledger.queries.cost_differences import explain_spans
from billing.ledger.queries.cost_spans import CostSpan, read_spans
from billing.ledger.schemas import DIFFERENCE_COLUMNS, difference_rows
from metrics.queries.periods import current_period
from orgs.days import first_instant


def _spans(selection: Selection) -> tuple[CostSpan, CostSpan]:
    """Return the two ranges; raises for a bad parameter."""
    query = selection.query
    chosen = {
        name: text for name in DIFFERENCE_PARAMETERS if (text := query.get(name, ""))
    }
    return read_spans(selection.get_organization(), read_difference_choice(chosen))


def _rows(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    difference = explain_spans(selection.get_organization(), *_spans(selection))
    return difference_rows(difference)


def _instants(span: CostSpan, selection: Selection) -> Span:
    """Return the range in instants; periods start and end within days."""
    if span.periods:
        return Span(span.periods[0].starts_at, span.periods[-1].ends_at)
    zone = selection.zone
    return Span(
        first_instant(span.days.start, zone), first_instant(span.days.end, zone)
    )


def _span(selection: Selection) -> Span:
    return _instants(_spans(selection)[0], selection)


def _compared_span(selection: Selection) -> Span:
    return _instants(_spans(selection)[1], selection)


def _amounts(selection: Selection) -> Amounts:
    """Return whether both ranges end before the open period starts."""
    opened_at = current_period(selection.get_organization().pk).starts_at
    spans = [_instants(span, selection) for span in _spans(selection)]
    if all(span.end and span.end <= opened_at for span in spans):
        return Amounts.INVOICED
    is_open = all(span.start and span.start >= opened_at for span in spans)
    return Amounts.ESTIMATE if is_open else Amounts.MIXED


COST_DIFFERENCE = Table(
    slug="cost-difference",
    title="Difference of costs",
    columns=DIFFERENCE_COLUMNS,
    rows=_rows,
    amounts=_amounts,
    parameters=frozenset(DIFFERENCE_PARAMETERS) - {"diff_by"},
    check=_spans,
    span=_span,
    compared_span=_compared_span,
)
