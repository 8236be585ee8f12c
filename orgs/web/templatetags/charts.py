"""What a chart has many of: ticks, lines, shapes and the rows of its table.

A loop of the template engine costs far more than the text it makes, and a
page has a thousand such cells. Names are escaped here, all else is numbers of our own.
"""

from collections.abc import Sequence
from html import escape

from django import template
from django.utils.safestring import SafeString

from orgs.web.charts import Chart, LimitLine, Row, Shape, Tick
from orgs.web.templatetags.display import day_year, exact, month_year

register = template.Library()
_NAMED = 45  # per cent: so far the limit's name may go


@register.simple_tag
def legend(chart: Chart) -> SafeString:
    """Colour, name and sum of every series."""
    return SafeString(
        "".join(
            '<li class="legend__item"><span class="legend__swatch'
            f"{' legend__swatch--ahead' if entry.is_ahead else ''}"
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
def limit_lines(chart: Chart) -> SafeString:
    """Each line with its name, and a ring where the line of the days meets it."""
    return SafeString("".join(map(_limit_line, chart.limits)))


def _limit_line(line: LimitLine) -> str:
    tone, x = f"limit--{line.tone}", 'x="0"'
    if line.is_label_last:
        x = 'x="100%" text-anchor="end"'
    drawn = (
        f'<line class="limit {tone}" x1="0" x2="100%" y1="{line.at}%" y2="{line.at}%"/>'
        f'<text class="limit-label {tone}" {x} y="{line.at}%" dy="-0.45em">'
        f"{escape(line.label)}</text>"
    )
    if line.seen_at is None:
        return drawn
    # Where the line of the days is not: above it on its way up, or below it after.
    anchor, down = ("end", "-0.8") if line.seen_at > _NAMED else ("start", "1.6")
    return (
        f'{drawn}<circle class="limit-met {tone}" cx="{line.seen_at}%" cy="{line.at}%"'
        f' r="4.5"/><text class="limit-label {tone}" x="{line.seen_at}%" y="{line.at}%"'
        f' dy="{down}em" text-anchor="{anchor}">{escape(line.met)}</text>'
    )


@register.simple_tag
def picture(chart: Chart) -> SafeString:
    line = "line " if chart.kind == "lines" else ""
    return SafeString("".join(_path(shape, line) for shape in chart.shapes))


def _path(shape: Shape, line: str) -> str:
    more = " partial" if shape.is_partial else ""
    if shape.style == "area":
        line, more = "", " area"
    elif shape.style:
        more = f" {shape.style}"
    return f'<path class="{line}tone-{shape.tone}{more}" d="{shape.d}"/>'


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
    note = f"<td>{escape(row.note)}</td>" if chart.notes else ""
    return f'<tr><th scope="row">{bucket}</th>{cells}{note}</tr>'
