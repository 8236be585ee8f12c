"""The lines of a chart: which are shown one by one, hidden, or added up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from metrics.queries.series import Amounts, Line
from orgs.web.charts import TONES
from orgs.web.charts import Series as ChartSeries

MAX_LINES = 50  # of a chart that shows lines one by one


@dataclass(frozen=True)
class LineChoice:
    """Which lines of a chart are shown, and the links that change this.

    `address` returns the URL of the chart with another choice, and `target` is the
    selector of the panel that the links replace.
    """

    address: Callable[["LineChoice"], str]
    target: str
    hidden: frozenset[str] = frozenset()
    has_all_lines: bool = False  # one by one; the smallest are not added up

    def toggle_url(self, id_: str) -> str:
        """Return the URL of the chart without a line, or with a hidden one."""
        return self.changed_url(hidden=self.hidden ^ {id_})

    def changed_url(self, **changes: Any) -> str:
        """Return the URL of the chart with other fields of this choice."""
        return self.address(replace(self, **changes))


def chart_series(
    lines: Sequence[Line],
    buckets: Sequence[date],
    amount: Callable[[Amounts], int | Decimal | None],
    choice: LineChoice | None = None,
) -> list[ChartSeries]:
    """Return a series for each line, at most as many as there are colors.

    The remaining lines are summed up in one series, “3 more”, unless all are asked for;
    then it is those after the 50th.
    """
    shown, rest = _split(lines, choice)
    series = [
        ChartSeries(
            line.name,
            _values([line], buckets, amount),
            empty_text="no price",
            is_hidden=choice is not None and line.id in choice.hidden,
            url=choice.toggle_url(line.id) if choice else "",
            url_title="Show" if choice and line.id in choice.hidden else "Hide",
        )
        for line in shown
    ]
    if rest:
        can_open = choice is not None and not choice.has_all_lines
        series.append(
            ChartSeries(
                f"{len(rest)} more",
                _values(rest, buckets, amount),
                empty_text="no price",
                url=choice.changed_url(has_all_lines=True)
                if choice and can_open
                else "",
                url_title="Show one by one:",
            )
        )
    return series


def _split(
    lines: Sequence[Line], choice: LineChoice | None
) -> tuple[list[Line], list[Line]]:
    """Return the lines that are shown one by one, and those that are added up.

    Hidden ones are never part of a sum.
    """
    most = MAX_LINES if choice and choice.has_all_lines else TONES
    if len(lines) <= most:
        return list(lines), []
    hidden = choice.hidden if choice else frozenset()
    shown = [line for n, line in enumerate(lines) if n < most - 1 or line.id in hidden]
    ids = {line.id for line in shown}
    return shown, [line for line in lines if line.id not in ids]


def _values(
    lines: Sequence[Line],
    buckets: Sequence[date],
    amount: Callable[[Amounts], int | Decimal | None],
) -> list[int | Decimal | None]:
    """Return the sum of the lines in each bucket; None where no amount is known."""
    return [
        add_known([amount(line.by_bucket.get(bucket, Amounts())) for line in lines])
        for bucket in buckets
    ]


def add_known(values: Sequence[int | Decimal | None]) -> int | Decimal | None:
    """Return the sum of the known values; None if no value is known."""
    known = [value for value in values if value is not None]
    return sum(known[1:], start=known[0]) if known else None
