"""Template tags for the parts that a chart has many of, such as ticks and table rows.

They write HTML directly: a loop in a template costs far more, and a page has a thousand
such cells. Names are escaped here; everything else is a number.
"""

from collections.abc import Sequence
from html import escape

from django import template
from django.utils.safestring import SafeString

from orgs.web.charts import Chart, LimitLine, Shape, TableRow, Tick, Value
from orgs.web.templatetags.display import UNITS, day_year, exact, money, month_year

register = template.Library()


@register.simple_tag
def legend(chart: Chart) -> SafeString:
    """Render color, name and total of every series, then line and name of each limit.

    The limits are named here, because a name in the picture covers values.
    """
    series = (
        '<li class="legend__item"><span class="legend__swatch'
        f"{' legend__swatch--forecast' if entry.is_forecast else ''}"
        f' tone-{entry.tone}" aria-hidden="true"></span>{escape(entry.name)}'
        f" <b>{_value(entry.total, chart, entry.empty_text)}</b></li>"
        for entry in chart.legend
    )
    return SafeString("".join([*series, *map(_limit_name, chart.limits)]))


def _limit_name(line: LimitLine) -> str:
    reached = f", reached {line.reached_label}" if line.reached_label else ""
    return (
        '<li class="legend__item" data-limit><span class="legend__swatch'
        f' legend__swatch--limit limit--{line.tone}" aria-hidden="true"></span>'
        f"{escape(line.label)}{escape(reached)}</li>"
    )


def _value(value: Value, chart: Chart, empty_text: str) -> SafeString | str:
    """Return a value in the unit of the chart, or why it is unknown."""
    if value is None and empty_text:
        return escape(empty_text)
    return exact(value, chart.unit, chart.currency, number=f"chart.{chart.id}")


@register.simple_tag
def y_labels(ticks: Sequence[Tick]) -> SafeString:
    """Render the labels of the y-axis."""
    return SafeString(
        "".join(
            f'<text x="100%" y="{tick.position}%" dy="0.32em" text-anchor="end">'
            f"{escape(tick.label)}</text>"
            for tick in ticks
        )
    )


@register.simple_tag
def grid(ticks: Sequence[Tick]) -> SafeString:
    """Render the horizontal grid lines."""
    return SafeString(
        "".join(
            '<line class="grid" x1="0" x2="100%"'
            f' y1="{tick.position}%" y2="{tick.position}%"/>'
            for tick in ticks
        )
    )


@register.simple_tag
def x_labels(ticks: Sequence[Tick]) -> SafeString:
    """Render the labels of the x-axis."""
    return SafeString(
        "".join(
            f'<text x="{tick.position}%" y="1.2em" text-anchor="middle">'
            f"{escape(tick.label)}</text>"
            for tick in ticks
        )
    )


@register.simple_tag
def limit_lines(chart: Chart) -> SafeString:
    """Render each limit's line, and a ring where the values reach it."""
    return SafeString("".join(map(_limit_line, chart.limits)))


def _limit_line(line: LimitLine) -> str:
    tone, y = f"limit--{line.tone}", f"{line.position}%"
    svg = f'<line class="limit {tone}" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
    if line.reached_at is None:
        return svg
    x = f"{line.reached_at}%"
    return f'{svg}<circle class="limit-reached {tone}" cx="{x}" cy="{y}" r="4.5"/>'


@register.simple_tag
def buckets(chart: Chart) -> SafeString:
    """Render the tooltip of each bucket: its date and the value of every series."""
    width = 100 / max(len(chart.rows), 1)
    return SafeString(
        "".join(
            _linked(
                chart,
                index,
                f'<rect x="{width * index:.3f}%" width="{width:.3f}%" height="100%">'
                f"<title>{escape(_tooltip(chart, index))}</title></rect>",
            )
            for index in range(len(chart.rows))
        )
    )


def _linked(chart: Chart, index: int, svg: str) -> str:
    """Return a shape as a link; the keyboard has the same link in the table."""
    if not chart.links:
        return svg
    return f'<a href="{escape(chart.links[index])}" tabindex="-1">{svg}</a>'


def _tooltip(chart: Chart, index: int) -> str:
    row = chart.rows[index]
    is_partial = chart.partial_from is not None and index >= chart.partial_from
    lines = [_bucket(chart, row) + (" (partial)" if is_partial else "")]
    if chart.kind == "bars" and len(row.cells) > 1:
        lines.append(f"Total {_shown(_sum(row.cells), chart)}")
    for name, cell, text in zip(
        chart.columns, row.cells, chart.empty_texts, strict=True
    ):
        if cell or text or len(row.cells) == 1:
            lines.append(f"{name} {_shown(cell, chart) if cell is not None else text}")
    return "\n".join(lines)


def _sum(cells: Sequence[Value]) -> Value:
    return sum(cell for cell in cells if cell is not None)


def _shown(value: Value, chart: Chart) -> str:
    """Return a rounded value as text."""
    if chart.unit == "money":
        return money(value, chart.currency)
    return UNITS[chart.unit](value)


@register.simple_tag
def shapes(chart: Chart) -> SafeString:
    """Render the bars or lines."""
    line = "line " if chart.kind == "lines" else ""
    return SafeString("".join(_path(shape, line) for shape in chart.shapes))


def _path(shape: Shape, line: str) -> str:
    style = " partial" if shape.is_partial else ""
    if shape.style == "area":
        line, style = "", " area"
    elif shape.style:
        style = f" {shape.style}"
    return f'<path class="{line}tone-{shape.tone}{style}" d="{shape.d}"/>'


@register.simple_tag
def table_rows(chart: Chart) -> SafeString:
    """Render the table: a row for each bucket, a cell for each series."""
    return SafeString(
        "".join(_row(chart, row, index) for index, row in enumerate(chart.rows))
    )


def _row(chart: Chart, row: TableRow, index: int) -> str:
    cells = "".join(
        f'<td class="number">{_value(cell, chart, text)}</td>'
        for cell, text in zip(row.cells, chart.empty_texts, strict=True)
    )
    note = f"<td>{escape(row.note)}</td>" if chart.notes_header else ""
    bucket = _bucket(chart, row)
    if chart.links:
        bucket = f'<a class="link" href="{escape(chart.links[index])}">{bucket}</a>'
    return f'<tr><th scope="row">{bucket}</th>{cells}{note}</tr>'


def _bucket(chart: Chart, row: TableRow) -> str:
    return month_year(row.day) if chart.grain == "monthly" else day_year(row.day)
