"""Tables of an organization's usage, costs, alerts and reconciliation.

They are computed by the queries of their pages, and take the parameters of these.
"""

from collections.abc import Iterator, Sequence

from billing.alerts.queries.statuses import list_statuses
from billing.exports.queries.tables import (
    Amounts,
    Level,
    Row,
    Selection,
    Span,
    Table,
    as_row,
)
from billing.forecast.queries.estimated_invoices import get_estimate
from billing.ledger.queries.reconciliation import (
    Reason,
    Reconciliation,
    reconcile_period,
)
from billing.models import BillingPeriod
from metrics.charts.costs import shares
from metrics.forms import ChartQuery
from metrics.queries.daily_metrics import DayMetrics, daily_metrics
from metrics.queries.periods import current_period
from metrics.queries.series import GroupBy, Series, series
from metrics.schemas.costs_csv import (
    COST_COLUMNS,
    LINE_COLUMNS,
    cost_columns,
    cost_rows,
    line_cells,
    usage_rows,
)
from orgs.catalog import Scope
from orgs.days import ONE_DAY, day_of, first_instant
from orgs.errors import DomainError, NotFound

RANGE = frozenset({"range", "from", "through", "grain"})
_COSTS = RANGE | {"view", "by"}


def read_chart_query(selection: Selection) -> ChartQuery:
    """Return the range and grain of a chart's page; raise for a bad parameter."""
    organization, zone = selection.get_organization(), selection.zone
    period = current_period(organization.pk)
    query = ChartQuery.read(
        selection.query,
        today=day_of(selection.now, zone),
        period_starts_on=day_of(period.starts_at, zone),
        offers_cumulative=True,
    )
    if query.problem:
        raise DomainError(query.problem, code="invalid_range", fields=("range",))
    return query


def chart_span(selection: Selection) -> Span:
    """Return the instants between which the days of a chart's range are."""
    days = read_chart_query(selection).selected.range
    zone = selection.zone
    return Span(first_instant(days.start, zone), first_instant(days.end, zone))


def cost_amounts(selection: Selection) -> Amounts:
    """Return whether the days of the range are of closed periods, or of the open one.

    Late usage counts in the open period whatever its day, so a range that ends before
    the open period can still have some of it; its days are called invoiced.
    """
    span = chart_span(selection)
    opened_at = current_period(selection.get_organization().pk).starts_at
    if span.end and span.end <= opened_at:
        return Amounts.INVOICED
    is_mixed = span.start is not None and span.start < opened_at
    return Amounts.MIXED if is_mixed else Amounts.ESTIMATE


def _series(selection: Selection, group_by: GroupBy | None = None) -> Series:
    filters = read_chart_query(selection).filters(group_by)
    return series(selection.get_organization().pk, filters)


def _currency(selection: Selection) -> str:
    return selection.get_organization().white_label.currency


def _costs(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    return cost_rows(_series(selection), _currency(selection))


def _usage(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    return usage_rows(_series(selection, GroupBy.METER))


def _cost_columns(selection: Selection) -> tuple[str, ...]:
    return cost_columns(read_chart_query(selection).group_by)


_SHARE_COLUMNS = ("name", "cost", "share", "benchmark_cost", "savings")
_COMPARED = ("previous_cost", "change")


def _share_columns(selection: Selection) -> tuple[str, ...]:
    """Return the columns of the table below the chart, with the range before."""
    query = read_chart_query(selection)
    return (
        LINE_COLUMNS[query.group_by][0],
        *_SHARE_COLUMNS,
        *(_COMPARED if query.is_compared else ()),
        *("currency", "unpriced_quantity"),
    )


def _shares(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    query, id_ = read_chart_query(selection), selection.get_organization().pk
    costs = series(id_, query.filters())
    previous = series(id_, query.filters().before()) if query.is_compared else None
    for share in shares(costs, previous):
        has_no_price = share.total.has_no_price
        compared = [share.previous, None if has_no_price else share.change]
        yield [
            line_cells(share.line, query.group_by)[0],
            share.line.name,
            share.total.priced_cost,
            None if has_no_price else share.fraction,
            None if has_no_price else share.total.benchmark_cost,
            None if has_no_price else share.savings,
            *(compared if previous else ()),
            _currency(selection),
            share.total.unpriced_quantity,
        ]


_DAY_COLUMNS = DayMetrics.__struct_fields__


def _metrics(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    organization = selection.get_organization()
    days = read_chart_query(selection).selected.range
    last = min(days.end - ONE_DAY, day_of(selection.now, selection.zone))
    number = (last - days.start).days + 1  # at most ten years
    rows = daily_metrics(organization, last=last, days=number) if number > 0 else []
    for row in reversed(rows):
        yield [getattr(row, name) for name in _DAY_COLUMNS]


def _alert_status(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    organization = selection.get_organization()
    for status in list_statuses(organization.pk, now=selection.now):
        measured = status.measurement
        value = measured.value if measured else None
        values = (
            status.kind.slug,
            status.kind.label,
            status.subject,
            value,
            status.threshold,
            status.status.value,
            status.explanation,
        )
        yield as_row(values, selection.zone)


def _find_period(selection: Selection) -> BillingPeriod:
    """Return the chosen period, by default the last closed one.

    Raises `NotFound` for a number that the organization does not have.
    """
    organization = selection.get_organization()
    rows = BillingPeriod.objects.filter(organization=organization).order_by("-number")
    text = selection.query.get("period", "")
    if text:
        is_number = text.isascii() and text.isdigit() and len(text) < 10  # noqa: PLR2004
        rows = rows.filter(number=int(text)) if is_number else rows.none()
    period = rows.filter(ends_at__isnull=False).first() or rows.first()
    if period is None:
        raise NotFound("Period not found.")
    return period


def _reconciliation(selection: Selection) -> Reconciliation:
    number = _find_period(selection).number
    return reconcile_period(selection.get_organization(), number)


def _period_span(selection: Selection) -> Span:
    period = _find_period(selection)
    return Span(period.starts_at, period.ends_at)


def _period_amounts(selection: Selection) -> Amounts:
    is_open = _find_period(selection).ends_at is None
    return Amounts.ESTIMATE if is_open else Amounts.INVOICED


def _reasons(reasons: Sequence[Reason]) -> str:
    return "; ".join(
        f"{reason.cause.value} ({reason.amount})"
        + (f": {reason.detail}" if reason.detail else "")
        for reason in reasons
    )


def _steps(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    result = _reconciliation(selection)
    number, currency = result.period.number, result.currency
    for step in result.steps:
        cells = (step.label, step.amount, step.difference, _reasons(step.reasons))
        yield [number, *cells, currency]


def _period_products(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    result = _reconciliation(selection)
    for row in result.rows:
        yield [
            result.period.number,
            row.product or "Credit",
            row.events,
            row.daily,
            row.charged,
            row.on_invoice,
            row.invoice_stripe_id,
            _reasons(row.reasons),
            result.currency,
        ]


def _period_quantities(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    result = _reconciliation(selection)
    for meter in result.meters:
        yield [
            result.period.number,
            meter.product,
            meter.meter,
            meter.recorded,
            meter.priced,
            meter.free,
            meter.unpriced,
        ]


def _estimate(selection: Selection, _: Sequence[int]) -> Iterator[Row]:
    """Yield the lines, then a total for each currency with its range and tax."""
    estimate = get_estimate(selection.get_organization())
    lines = [(estimate.on, line) for line in estimate.lines]
    lines += [(later.on, later.line) for later in estimate.later]
    for on, line in lines:
        values = (on, line.code, line.label, line.amount, line.currency)
        source = (line.source.value, line.as_of, None, None, None)
        yield as_row((*values, *source), selection.zone)
    for total in estimate.totals:
        values = (estimate.on, "total", "Total", total.amount, total.currency)
        more = (None, estimate.as_of, total.low, total.high, estimate.tax.value)
        yield as_row((*values, *more), selection.zone)


_PERIOD = frozenset({"period"})
_ONE = frozenset({Level.ORGANIZATION})

COMPUTED_TABLES = (
    Table(
        slug="costs",
        title="Costs",
        columns=COST_COLUMNS,
        rows=_costs,
        columns_of=_cost_columns,
        amounts=cost_amounts,
        parameters=_COSTS,
        check=read_chart_query,
        span=chart_span,
    ),
    Table(
        slug="cost-shares",
        title="Cost by product, project, or meter",
        columns=("product", *_SHARE_COLUMNS, "currency", "unpriced_quantity"),
        rows=_shares,
        columns_of=_share_columns,
        amounts=cost_amounts,
        parameters=_COSTS | {"compare"},
        check=read_chart_query,
        span=chart_span,
    ),
    Table(
        slug="usage",
        title="Usage",
        columns=("bucket", "meter", "unit", "quantity", "unpriced_quantity"),
        rows=_usage,
        scope=Scope.ORGANIZATIONS_READ,
        amounts=Amounts.RECORDED,
        parameters=RANGE,
        check=read_chart_query,
        span=chart_span,
    ),
    Table(
        slug="metrics",
        title="Daily metrics",
        columns=_DAY_COLUMNS,
        rows=_metrics,
        scope=Scope.ORGANIZATIONS_READ,
        amounts=Amounts.RECORDED,
        parameters=RANGE,
        check=read_chart_query,
        span=chart_span,
    ),
    Table(
        slug="estimated-invoice",
        title="Lines and totals of the estimated invoice",
        columns=(
            *("invoice_on", "line", "label", "amount", "currency"),
            *("source", "as_of", "low", "high", "tax"),
        ),
        rows=_estimate,
        amounts=Amounts.ESTIMATE,
    ),
    Table(
        slug="alert-status",
        title="Alert status",
        columns=(
            *("kind", "label", "subject", "value", "threshold"),
            *("status", "explanation"),
        ),
        rows=_alert_status,
        amounts=Amounts.ESTIMATE,
    ),
    Table(
        slug="reconciliation",
        title="Reconciliation",
        columns=("period", "step", "amount", "difference", "reasons", "currency"),
        rows=_steps,
        amounts=_period_amounts,
        parameters=_PERIOD,
        check=_find_period,
        span=_period_span,
    ),
    Table(
        slug="period-products",
        title="Breakdown by product",
        columns=(
            *("period", "product", "events", "daily_usage", "charged", "on_invoice"),
            *("invoice_stripe_id", "reasons", "currency"),
        ),
        rows=_period_products,
        amounts=_period_amounts,
        parameters=_PERIOD,
        check=_find_period,
        span=_period_span,
    ),
    Table(
        slug="period-quantities",
        title="Quantities",
        columns=(
            *("period", "product", "meter", "recorded", "priced", "free"),
            "unpriced",
        ),
        rows=_period_quantities,
        amounts=Amounts.RECORDED,
        parameters=_PERIOD,
        check=_find_period,
        span=_period_span,
    ),
)
