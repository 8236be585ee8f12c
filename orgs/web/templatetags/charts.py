"""Template tags for the parts that a chart has many of, such as ticks and table rows.

They write HTML directly: a loop in a template costs far more, and a page has a thousand
such cells. Names are escaped here; everything else is a number.
"""

from collections.abc import Sequence
from html import escape

from django import template
from django.utils.safestring import SafeString

from orgs.web.charts import Chart, LimitLine, Shape, TableRow, Tick, Value
from orgs.web.templatetags.display import day_year, exact, month_year

register = template.Library()
# Percent from the left; a label to the left of a point before it would cover the name
# of the limit.
_LIMIT_NAME_END = 45


@register.simple_tag
def legend(chart: Chart) -> SafeString:
    """Render color, name and total of every series."""
    return SafeString(
        "".join(
            '<li class="legend__item"><span class="legend__swatch'
            f"{' legend__swatch--forecast' if entry.is_forecast else ''}"
            f' tone-{entry.tone}" aria-hidden="true"></span>{escape(entry.name)}'
            f" <b>{_value(entry.total, chart, entry.empty_text)}</b></li>"
            for entry in chart.legend
        )
    )


def _value(value: Value, chart: Chart, empty_text: str) -> SafeString | str:
    """Return a value in the unit of the chart, or why it is unknown."""
    if value is None and empty_text:
        return escape(empty_text)
    return exact(value, chart.unit, chart.currency)


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
    """Render each limit's line and name, and a ring where the values reach it."""
    return SafeString("".join(map(_limit_line, chart.limits)))


def _limit_line(line: LimitLine) -> str:
    tone, x, y = f"limit--{line.tone}", 'x="0"', f"{line.position}%"
    if line.is_label_right:
        x = 'x="100%" text-anchor="end"'
    svg = (
        f'<line class="limit {tone}" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
        f'<text class="limit-label {tone}" {x} y="{y}" dy="-0.45em">'
        f"{escape(line.label)}</text>"
    )
    if line.reached_at is None:
        return svg
    # Away from the line of the values: above left of the point, or below right of it.
    is_left = line.reached_at > _LIMIT_NAME_END
    anchor, dy = ("end", "-0.8") if is_left else ("start", "1.6")
    x = f"{line.reached_at}%"
    return (
        f'{svg}<circle class="limit-reached {tone}" cx="{x}" cy="{y}"'
        f' r="4.5"/><text class="limit-label {tone}" x="{x}" y="{y}"'
        f' dy="{dy}em" text-anchor="{anchor}">{escape(line.reached_label)}</text>'
    )


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
    return SafeString("".join(_row(chart, row) for row in chart.rows))


def _row(chart: Chart, row: TableRow) -> str:
    bucket = month_year(row.day) if chart.grain == "monthly" else day_year(row.day)
    cells = "".join(
        f'<td class="number">{_value(cell, chart, text)}</td>'
        for cell, text in zip(row.cells, chart.empty_texts, strict=True)
    )
    note = f"<td>{escape(row.note)}</td>" if chart.notes_header else ""
    return f'<tr><th scope="row">{bucket}</th>{cells}{note}</tr>'
