"""Charts of the quantities of usage, one for each unit, and of stored bytes."""

from collections.abc import Mapping, Sequence
from datetime import date

from metrics.catalog import METERS, Unit
from metrics.charts.buckets import bucket_marks, bucket_name, caption
from metrics.charts.lines import LineChoice, chart_series
from metrics.queries.daily_metrics import DayMetrics
from metrics.queries.series import Line, Series
from orgs.web.charts import Chart, Mark, build_chart
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
# Units whose meters have a sum that means something.
_SUMMED = (Unit.TOKENS, Unit.SECONDS)


def usage_charts(
    series: Series,
    *,
    today: date,
    started_on: date | None = None,
    choice: LineChoice | None = None,
) -> list[Chart]:
    """Return a chart for each unit with usage: units cannot share an axis."""
    charts = []
    for unit in Unit:
        lines = [
            line
            for line in series.lines
            if line.id in METERS and METERS[line.id].unit is unit
        ]
        if any(line.total.quantity for line in lines):
            marks = bucket_marks(series, today=today, started_on=started_on)
            charts.append(_usage_chart(series, lines, unit, marks, choice))
    return charts


def _usage_chart(
    series: Series,
    lines: Sequence[Line],
    unit: Unit,
    marks: Mapping[int, Mark],
    choice: LineChoice | None,
) -> Chart:
    ordered = sorted(lines, key=lambda line: list(METERS).index(line.id))
    grain = series.filters.grain
    return build_chart(
        id=f"usage-{unit}",
        title=f"{_TITLES[unit]} per {bucket_name(grain)}",
        days=series.buckets,
        series=chart_series(
            ordered, series.buckets, lambda amounts: amounts.quantity, choice
        ),
        unit=_UNITS[unit],
        grain=grain.value,
        caption=caption(series),
        marks=marks,
        legend_target=choice.target if choice else "",
        has_totals=unit in _SUMMED and len(lines) > 1,
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
