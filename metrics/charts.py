"""Charts of usage and cost, drawn from the same series that the API returns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from metrics.catalog import METERS, Unit
from metrics.periods import Grain
from metrics.queries.daily_metrics import DayMetrics
from metrics.queries.series import Amounts, Line, Series
from orgs.days import ONE_DAY
from orgs.web.charts import TONES, Chart, Limit, build_chart
from orgs.web.charts import Series as ChartSeries

_UNITS = {
    Unit.TOKENS: "tokens",
    Unit.COUNT: "count",
    Unit.SECONDS: "seconds",
    Unit.BYTES: "bytes",
    Unit.BYTE_DAYS: "bytes",
}
_TITLES = {
    Unit.TOKENS: "Tokens",
    Unit.COUNT: "Requests",
    Unit.SECONDS: "Compute time",
    Unit.BYTES: "Storage added and deleted",
    Unit.BYTE_DAYS: "Storage used",
}


def cost_chart(
    series: Series,
    *,
    currency: str,
    today: date,
    limits: Sequence[Limit] = (),
    lines_url: str = "",
) -> Chart | None:
    """Return the chart of cost by line, or null when nothing cost anything.

    With `lines_url`, each bucket is a link to the lines of its days. The products with
    the lowest cost share one series when there are too many. Usage without a price has
    no value, which is not 0; the notes of the table name it.
    """
    lines = [
        line for line in series.lines if line.total.cost or line.total.unpriced_quantity
    ]
    if not lines:
        return None
    grain = series.filters.grain
    return build_chart(
        id="cost-chart",
        title=f"Cost per {_bucket(grain)} by {series.filters.group_by.value}",
        days=series.buckets,
        series=_chart_series(
            lines, series.buckets, lambda amounts: amounts.priced_cost
        ),
        unit="usd",
        currency=currency,
        grain=grain.value,
        caption=_caption(series),
        limits=limits,
        partial_from=_partial_from(series, today),
        notes=_unpriced_notes(lines),
        links=_bucket_links(series, lines_url) if lines_url else (),
    )


def _bucket_links(series: Series, url: str) -> list[str]:
    """Return the address of the lines of each bucket, as far as it is in the range."""
    days, grain = series.filters.range, series.filters.grain
    return [
        f"{url}?from={max(bucket, days.start)}"
        f"&through={min(grain.after(bucket), days.end) - ONE_DAY}"
        for bucket in series.buckets
    ]


def _unpriced_notes(lines: Sequence[Line]) -> tuple[str, dict[date, str]]:
    """Return a column that names the products with unpriced usage in each bucket."""
    names: dict[date, list[str]] = {}
    for line in lines:
        for bucket, amounts in line.by_bucket.items():
            if amounts.unpriced_quantity:
                names.setdefault(bucket, []).append(line.name)
    notes = {bucket: ", ".join(sorted(products)) for bucket, products in names.items()}
    return ("No price" if notes else ""), notes


def usage_charts(series: Series, *, today: date) -> list[Chart]:
    """Return a chart for each unit with usage: units cannot share an axis."""
    charts = []
    for unit in Unit:
        lines = [
            line
            for line in series.lines
            if line.id in METERS and METERS[line.id].unit is unit
        ]
        if any(line.total.quantity for line in lines):
            charts.append(_usage_chart(series, lines, unit, today))
    return charts


def _usage_chart(
    series: Series, lines: Sequence[Line], unit: Unit, today: date
) -> Chart:
    ordered = sorted(lines, key=lambda line: list(METERS).index(line.id))
    grain = series.filters.grain
    return build_chart(
        id=f"usage-{unit}",
        title=f"{_TITLES[unit]} per {_bucket(grain)}",
        days=series.buckets,
        series=_chart_series(ordered, series.buckets, lambda amounts: amounts.quantity),
        unit=_UNITS[unit],
        grain=grain.value,
        caption=_caption(series),
        partial_from=_partial_from(series, today),
    )


def storage_chart(days: Sequence[DayMetrics]) -> Chart | None:
    """Return the chart of the bytes stored at the end of each day, or null."""
    stored = [day.total_storage_bytes for day in days]
    if not any(stored):
        return None
    return build_chart(
        id="storage-at-end-of-day",
        title="Storage at end of day",
        days=[day.day for day in days],
        series=[ChartSeries("Stored", stored, is_level=True)],
        unit="bytes",
        kind="lines",
        caption="Storage added minus storage deleted, to date.",
    )


def _chart_series(
    lines: Sequence[Line],
    buckets: Sequence[date],
    amount: Callable[[Amounts], int | Decimal | None],
) -> list[ChartSeries]:
    """Return a series for each line, at most as many as there are colors.

    The remaining lines are summed up in one series, “n more”.
    """
    shown, rest = list(lines), []
    if len(lines) > TONES:
        shown, rest = list(lines[: TONES - 1]), list(lines[TONES - 1 :])
    chart_series = [
        ChartSeries(line.name, _values([line], buckets, amount), empty_text="no price")
        for line in shown
    ]
    if rest:
        values = _values(rest, buckets, amount)
        name = f"{len(rest)} more"
        chart_series.append(ChartSeries(name, values, empty_text="no price"))
    return chart_series


def _values(
    lines: Sequence[Line],
    buckets: Sequence[date],
    amount: Callable[[Amounts], int | Decimal | None],
) -> list[int | Decimal | None]:
    """Return the sum of the lines in each bucket; None where no amount is known."""
    return [
        _sum([amount(line.by_bucket.get(bucket, Amounts())) for line in lines])
        for bucket in buckets
    ]


def _sum(values: Sequence[int | Decimal | None]) -> int | Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known[1:], start=known[0]) if known else None


def _bucket(grain: Grain) -> str:
    return "day" if grain is Grain.DAILY else "month"


def _caption(series: Series) -> str:
    if series.filters.grain is Grain.DAILY:
        return ""
    days, buckets = series.filters.range.days, len(series.buckets)
    return f"{days} days in {buckets} months. The first and last month may be partial."


def _partial_from(series: Series, today: date) -> int | None:
    """Return the index of the first incomplete bucket: the one that holds today."""
    current = series.filters.grain.bucket(today)
    for index, bucket in enumerate(series.buckets):
        if bucket >= current:
            return index
    return None


@dataclass(frozen=True, slots=True)
class Share:
    """Share of a product in the total cost, for the table below the chart.

    `previous` is its cost in the range before, null if nothing is compared.
    """

    line: Line
    total: Amounts
    fraction: Decimal
    previous: Decimal | None = None

    @property
    def change(self) -> Decimal | None:
        """The cost less that of the range before."""
        return None if self.previous is None else self.total.cost - self.previous

    @property
    def savings(self) -> Decimal:
        """Benchmark cost minus cost."""
        return self.total.benchmark_cost - self.total.cost


def shares(series: Series, previous: Series | None = None) -> list[Share]:
    """Return the share of each line, most expensive first; 0 if nothing cost.

    With a series of the range before, lines that are only in that one come last.
    """
    total = series.total.cost
    before = {line.id: line for line in previous.lines} if previous else {}
    ended = [line for id_, line in before.items() if id_ not in _ids(series)]
    return [
        Share(
            line,
            amounts,
            amounts.cost / total if total else Decimal(0),
            _cost_before(before, line.id) if previous else None,
        )
        for line, amounts in [
            *((line, line.total) for line in series.lines),
            *((line, Amounts()) for line in ended),
        ]
    ]


def _ids(series: Series) -> set[str]:
    return {line.id for line in series.lines}


def _cost_before(lines: Mapping[str, Line], id_: str) -> Decimal:
    return lines[id_].total.cost if id_ in lines else Decimal(0)
