"""Charts of usage and cost, from the same series as the API."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from metrics.catalog import METERS, Unit
from metrics.periods import Grain
from metrics.queries.daily_metrics import DayMetrics
from metrics.queries.series import Amounts, Line, Series
from orgs.web.charts import TONES, Chart, Limit, draw
from orgs.web.charts import Series as Drawn

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
    series: Series, *, currency: str, today: date, limits: Sequence[Limit] = ()
) -> Chart | None:
    """Cost by product, the smallest folded into one; nothing when nothing cost."""
    lines = [line for line in series.lines if line.total.cost]
    if not lines:
        return None
    grain = series.filters.grain
    return draw(
        id="cost-chart",
        title=f"Cost per {_bucket(grain)} by product",
        days=series.buckets,
        series=_folded(lines, series.buckets, lambda amounts: amounts.cost),
        unit="usd",
        currency=currency,
        grain=grain.value,
        caption=_caption(series),
        limits=limits,
        partial_from=_partial_from(series, today),
    )


def usage_charts(series: Series, *, today: date) -> list[Chart]:
    """One chart per unit that has usage; quantities of two units share no axis."""
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
    return draw(
        id=f"usage-{unit}",
        title=f"{_TITLES[unit]} per {_bucket(grain)}",
        days=series.buckets,
        series=_folded(ordered, series.buckets, lambda amounts: amounts.quantity),
        unit=_UNITS[unit],
        grain=grain.value,
        caption=_caption(series),
        partial_from=_partial_from(series, today),
    )


def storage_chart(days: Sequence[DayMetrics]) -> Chart | None:
    """What is stored at the end of each day."""
    stored = [day.total_storage_bytes for day in days]
    if not any(stored):
        return None
    return draw(
        id="storage-kept",
        title="Storage at end of day",
        days=[day.day for day in days],
        series=[Drawn("Stored", stored, is_level=True)],
        unit="bytes",
        kind="lines",
        caption="Storage added minus storage deleted, to date.",
    )


def _folded(
    lines: Sequence[Line],
    buckets: Sequence[date],
    amount: Callable[[Amounts], int | Decimal],
) -> list[Drawn]:
    """At most as many series as there are colours; the rest become “n more”."""
    shown, rest = list(lines), []
    if len(lines) > TONES:
        shown, rest = list(lines[: TONES - 1]), list(lines[TONES - 1 :])
    drawn = [Drawn(line.name, _values([line], buckets, amount)) for line in shown]
    if rest:
        drawn.append(Drawn(f"{len(rest)} more", _values(rest, buckets, amount)))
    return drawn


def _values(
    lines: Sequence[Line],
    buckets: Sequence[date],
    amount: Callable[[Amounts], int | Decimal],
) -> list[int | Decimal]:
    nothing = Amounts()
    return [
        sum(
            (amount(line.by_bucket.get(bucket, nothing)) for line in lines),
            start=amount(nothing),
        )
        for bucket in buckets
    ]


def _bucket(grain: Grain) -> str:
    return "day" if grain is Grain.DAILY else "month"


def _caption(series: Series) -> str:
    if series.filters.grain is Grain.DAILY:
        return ""
    days, buckets = series.filters.range.days, len(series.buckets)
    return f"{days} days in {buckets} months. The first and last month may be partial."


def _partial_from(series: Series, today: date) -> int | None:
    """The bucket that holds today is still filling, and so are those after it."""
    current = series.filters.grain.bucket(today)
    for index, bucket in enumerate(series.buckets):
        if bucket >= current:
            return index
    return None


@dataclass(frozen=True, slots=True)
class Share:
    """A product's part of the cost, for the table below the chart."""

    line: Line
    total: Amounts
    fraction: Decimal

    @property
    def savings(self) -> Decimal:
        return self.total.benchmark_cost - self.total.cost


def shares(series: Series) -> list[Share]:
    whole = series.total.cost
    return [
        Share(line, line.total, line.total.cost / whole if whole else Decimal(0))
        for line in series.lines
    ]
