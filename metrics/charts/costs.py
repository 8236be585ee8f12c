"""Charts of cost by product, project, or meter, and the table of their shares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from metrics.charts.buckets import bucket_marks, bucket_name, caption
from metrics.charts.lines import LineChoice, add_known, chart_series
from metrics.queries.series import Amounts, Line, Series
from orgs.days import ONE_DAY
from orgs.web.charts import (
    TONES,
    Chart,
    Comparison,
    LegendLink,
    Limit,
    build_chart,
)


def cost_chart(
    series: Series,
    *,
    currency: str,
    today: date,
    limits: Sequence[Limit] = (),
    lines_url: str = "",
    started_on: date | None = None,
    choice: LineChoice | None = None,
    previous: tuple[str, Series] | None = None,
) -> Chart | None:
    """Return the chart of cost by line, or null when nothing cost anything.

    With `lines_url`, each bucket is a link to the lines of its days. The products with
    the lowest cost share one series when there are too many. Usage without a price has
    no value, which is not 0; the notes of the table name it. `previous` are the days of
    the range before and its series, whose buckets are those of this one. `started_on`
    is the start of an organization's contract.
    """
    lines = [
        line for line in series.lines if line.total.cost or line.total.unpriced_quantity
    ]
    if not lines and not (previous and previous[1].total.cost):
        return None
    grain = series.filters.grain
    notes = _unpriced_notes(lines)
    return build_chart(
        id="cost-chart",
        title=f"Cost per {bucket_name(grain)} by {series.filters.group_by.value}",
        days=series.buckets,
        series=chart_series(
            lines, series.buckets, lambda amounts: amounts.priced_cost, choice
        ),
        unit="usd",
        currency=currency,
        grain=grain.value,
        caption=caption(series),
        limits=limits,
        marks=bucket_marks(series, today=today, started_on=started_on),
        unpriced=[n for n, day in enumerate(series.buckets) if day in notes[1]],
        notes=notes,
        links=_bucket_links(series, lines_url) if lines_url else (),
        legend_links=_legend_links(lines, choice),
        legend_target=choice.target if choice else "",
        comparison=_comparison(*previous, choice) if previous else None,
        has_totals=True,
    )


def _comparison(label: str, previous: Series, choice: LineChoice | None) -> Comparison:
    """Return the sums of the lines of the range before that are not hidden."""
    hidden = choice.hidden if choice else frozenset()
    values = [
        add_known(
            [
                amounts.priced_cost
                for line, amounts in previous.amounts_in(bucket)
                if line.id not in hidden
            ]
        )
        for bucket in previous.buckets
    ]
    return Comparison(label, values)


def _legend_links(lines: Sequence[Line], choice: LineChoice | None) -> list[LegendLink]:
    """Return the links that undo a choice of lines."""
    links = []
    if choice and choice.hidden:
        links.append(LegendLink("Show all", choice.changed_url(hidden=frozenset())))
    if choice and choice.has_all_lines and len(lines) > TONES:
        links.append(LegendLink("Show fewer", choice.changed_url(has_all_lines=False)))
    return links


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
