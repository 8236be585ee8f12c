"""What a chart has many of: ticks, lines, shapes and the rows of its table.

A loop of the template engine costs far more than the text it makes, and a
page has a thousand such cells. Names are escaped here, all else is numbers of our own.
"""

from collections.abc import Sequence
from html import escape

from django import template
from django.utils.safestring import SafeString

from orgs.charts import Chart, Row, Shape, Tick
from orgs.templatetags.display import day_year, exact, month_year

register = template.Library()


@register.simple_tag
def legend(chart: Chart) -> SafeString:
    """Colour, name and sum of every series."""
    return SafeString(
        "".join(
            '<li class="legend__item"><span class="legend__swatch'
            f' tone-{entry.tone}" aria-hidden="true"></span>{escape(entry.name)}'
            f" <b>{exact(entry.total, chart.unit, chart.currency)}</b></li>"
            for entry in chart.legend
        )
    )


@register.simple_tag
def scale(ticks: Sequence[Tick]) -> SafeString:
    return SafeString(
        "".join(
            f'<text x="100%" y="{tick.at}%" dy="0.32em" text-anchor="end">'
            f"{escape(tick.label)}</text>"
            for tick in ticks
        )
    )


@register.simple_tag
def grid(ticks: Sequence[Tick]) -> SafeString:
    return SafeString(
        "".join(
            f'<line class="grid" x1="0" x2="100%" y1="{tick.at}%" y2="{tick.at}%"/>'
            for tick in ticks
        )
    )


@register.simple_tag
def day_labels(ticks: Sequence[Tick]) -> SafeString:
    return SafeString(
        "".join(
            f'<text x="{tick.at}%" y="1.2em" text-anchor="middle">'
            f"{escape(tick.label)}</text>"
            for tick in ticks
        )
    )


@register.simple_tag
def picture(chart: Chart) -> SafeString:
    line = "line " if chart.kind == "lines" else ""
    return SafeString("".join(_path(shape, line) for shape in chart.shapes))


def _path(shape: Shape, line: str) -> str:
    partial = " partial" if shape.is_partial else ""
    return f'<path class="{line}tone-{shape.tone}{partial}" d="{shape.d}"/>'


@register.simple_tag
def table_rows(chart: Chart) -> SafeString:
    """The same numbers to read: a row a bucket, a cell a series."""
    return SafeString("".join(_row(chart, row) for row in chart.rows))


def _row(chart: Chart, row: Row) -> str:
    bucket = month_year(row.day) if chart.grain == "monthly" else day_year(row.day)
    cells = "".join(
        f'<td class="number">{exact(cell, chart.unit, chart.currency)}</td>'
        for cell in row.cells
    )
    return f'<tr><th scope="row">{bucket}</th>{cells}</tr>'
