"""Tables of the lines of a cost, and of the usage events of a day.

They can have millions of rows, so they are read in pages: lines by week, from the last
one back, and events by their time and ID.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from decimal import Context

from billing.exports.queries.tables import (
    Amounts,
    Row,
    RowsPage,
    Selection,
    Span,
    Table,
    as_row,
)
from billing.models import BillingPeriod
from metrics.line_forms import read_day_events, read_line_filters
from metrics.queries.cost_lines import (
    CostLine,
    LineFilters,
    count_cost_lines,
    iterate_cost_lines,
)
from metrics.queries.cost_parts import list_project_names
from metrics.queries.day_events import (
    DayEvents,
    ListedEvent,
    count_day_events,
    list_day_events,
)
from metrics.queries.periods import current_period
from orgs.catalog import Scope
from orgs.days import ONE_DAY, first_instant
from orgs.errors import NotFound
from orgs.schemas.csv import Cell

_EVENTS_AT_ONCE = 5_000
_PRICE = Context(prec=15)  # of an average price, which may have no end


def _lines(selection: Selection) -> LineFilters:
    organization = selection.get_organization()
    return read_line_filters(selection.query, organization, selection.now)


def _line_pages(selection: Selection, cursor: str) -> Iterator[RowsPage]:
    id_, before = (
        selection.get_organization().pk,
        date.fromisoformat(cursor) if cursor else None,
    )
    for first, lines in iterate_cost_lines(id_, _lines(selection), before=before):
        names = list_project_names(id_, [line.project_id for line in lines])
        currency = selection.get_organization().white_label.currency
        rows = [_line_cells(line, names, currency) for line in lines]
        yield RowsPage(rows, len(rows), first.isoformat())


def _line_cells(line: CostLine, names: dict[int, str], currency: str) -> Row:
    price = line.unit_price
    has_price = price is not None
    return [
        *(line.day, line.product, line.meter),
        *_project_cells(line.project_id, names),
        line.quantity,
        line.unit.name if line.unit and has_price else None,
        None if price is None else _PRICE.plus(price),
        line.cost if has_price else None,
        *(currency, line.unpriced_quantity),
    ]


def _project_cells(id_: int, names: dict[int, str]) -> tuple[Cell, Cell]:
    return (id_, names.get(id_, "")) if id_ else (None, None)


def _count_lines(selection: Selection, limit: int | None) -> int:
    return count_cost_lines(selection.get_organization().pk, _lines(selection), limit)


def _check_lines(selection: Selection) -> None:
    """Raise for a bad parameter, and `NotFound` for a period that does not exist."""
    _find_period(selection)


def _find_period(selection: Selection) -> BillingPeriod | None:
    """Return the chosen period; None if a range of days is chosen instead."""
    organization, number = selection.get_organization(), _lines(selection).period
    if number is None:
        return None
    rows = BillingPeriod.objects.filter(organization=organization, number=number)
    period = rows.first()
    if period is None:
        raise NotFound("Period not found.")
    return period


def _line_span(selection: Selection) -> Span:
    period, zone = _find_period(selection), selection.zone
    if period is not None:
        return Span(period.starts_at, period.ends_at)
    days = _lines(selection).days
    return Span(first_instant(days.start, zone), first_instant(days.end, zone))


def _line_amounts(selection: Selection) -> Amounts:
    """Return whether the lines are of closed periods; as `cost_amounts` does it."""
    if period := _find_period(selection):
        return Amounts.INVOICED if period.ends_at else Amounts.ESTIMATE
    span = _line_span(selection)
    opened_at = current_period(selection.get_organization().pk).starts_at
    if span.end and span.end <= opened_at:
        return Amounts.INVOICED
    is_mixed = span.start is not None and span.start < opened_at
    return Amounts.MIXED if is_mixed else Amounts.ESTIMATE


def _events(selection: Selection) -> DayEvents:
    organization = selection.get_organization()
    return read_day_events(selection.query, organization, selection.now)


def _event_pages(selection: Selection, cursor: str) -> Iterator[RowsPage]:
    organization, events = selection.get_organization(), _events(selection)
    if cursor:
        at, id_ = json.loads(cursor)
        events = replace(events, after=(datetime.fromisoformat(at), id_))
    while rows := list_day_events(organization, events, _EVENTS_AT_ONCE):
        rows = rows[:_EVENTS_AT_ONCE]
        events = replace(events, after=(rows[-1].at, rows[-1].event_id))
        names = list_project_names(organization.pk, [row.project_id for row in rows])
        cells = [_event_cells(row, names, selection) for row in rows]
        last = json.dumps([rows[-1].at.isoformat(), rows[-1].event_id])
        yield RowsPage(cells, len(cells), last)


def _event_cells(
    event: ListedEvent, names: dict[int, str], selection: Selection
) -> Row:
    values = (
        *(event.at, event.event_id, event.product),
        *_project_cells(event.project_id, names),
        *(event.quantities, event.is_voided),
    )
    return as_row(values, selection.zone)


def _count_events(selection: Selection, limit: int | None) -> int:
    return count_day_events(selection.get_organization(), _events(selection), limit)


def _event_span(selection: Selection) -> Span:
    day, zone = _events(selection).day, selection.zone
    return Span(first_instant(day, zone), first_instant(day + ONE_DAY, zone))


EVENT_TABLES = (
    Table(
        slug="cost-lines",
        title="Cost lines",
        columns=(
            *("day", "product", "meter", "project_id", "project", "quantity"),
            *("price_unit", "unit_price", "cost", "currency", "unpriced_quantity"),
        ),
        pages=_line_pages,
        count=_count_lines,
        amounts=_line_amounts,
        parameters=frozenset(
            ("from", "through", "period", "product", "meter", "project")
        ),
        check=_check_lines,
        span=_line_span,
    ),
    Table(
        slug="day-events",
        title="Usage events of a day",
        columns=(
            *("timestamp", "event_id", "product", "project_id", "project"),
            *("quantities", "is_voided"),
        ),
        pages=_event_pages,
        count=_count_events,
        scope=Scope.BILLING_READ,
        amounts=Amounts.RECORDED,
        parameters=frozenset(("day", "product", "project", "q")),
        check=_events,
        span=_event_span,
    ),
)
