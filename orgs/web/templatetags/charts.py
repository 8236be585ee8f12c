"""Template tags for the parts that a chart has many of, such as ticks and table rows.

They write HTML directly: a loop in a template costs far more, and a page has a thousand
such cells. Names are escaped here; everything else is a number.
"""

from collections.abc import Sequence
from decimal import Decimal
from html import escape

from django import template
from django.utils.safestring import SafeString

from orgs.web.chart_bars import Shape, Value
from orgs.web.charts import (
    Chart,
    LegendEntry,
    LimitLine,
    Mark,
    TableRow,
    Tick,
    add_up,
)
from orgs.web.templatetags.display import UNITS, day_year, exact, money, month_year

register = template.Library()


@register.simple_tag
def legend(chart: Chart) -> SafeString:
    """Render color, name and total of every series, then all other marks by name.

    The limits are named here, because a name in the picture covers values. A series
    with a link can be hidden and shown again.
    """
    entries = [_entry(entry, chart, index) for index, entry in enumerate(chart.legend)]
    if chart.comparison:
        total = _value(chart.comparison.total, chart, "")
        name = f"{escape(chart.comparison.label)} <b>{total}</b>"
        entries.append(_legend_item("previous", name, "data-previous"))
    if chart.unpriced:
        entries.append(_legend_item("unpriced", "No price", "data-unpriced"))
    if chart.has_missing:
        entries.append(_legend_item("missing", "No usage recorded", "data-missing"))
    links = (
        f'<li class="legend__item legend__item--action">'
        f"{_link(link.url, f'{chart.id}-legend-{number}')}{escape(link.label)}</a></li>"
        for number, link in enumerate(chart.legend_links)
    )
    return SafeString("".join([*entries, *map(_limit_name, chart.limits), *links]))


def _entry(entry: LegendEntry, chart: Chart, index: int) -> str:
    style = " legend__swatch--forecast" if entry.is_forecast else ""
    swatch = (
        f'<span class="legend__swatch{style} tone-{entry.tone}" aria-hidden="true">'
        "</span>"
    )
    value = f"<b>{_value(entry.total, chart, entry.empty_text)}</b>"
    hidden = " legend__item--hidden" if entry.is_hidden else ""
    if not entry.url:
        name = f"{swatch}{escape(entry.name)}"
        return f'<li class="legend__item{hidden}">{name} {value}</li>'
    title = f'<span class="visually-hidden">{escape(entry.url_title)} </span>'
    state = "hidden" if entry.is_hidden else "shown"
    return (
        f'<li class="legend__item{hidden}" data-line="{state}">'
        f"{_link(entry.url, f'{chart.id}-line-{index}', entry.url_title)}"
        f"{swatch}{title}{escape(entry.name)}</a> {value}</li>"
    )


def _link(url: str, id_: str, title: str = "") -> str:
    """Return the start of a link that also swaps the panel; the legend has its target.

    With an `id`, the keyboard stays on the link after the swap.
    """
    address, hint = escape(url), f' title="{escape(title)}"' if title else ""
    return (
        f'<a class="legend__link" id="{escape(id_)}" href="{address}"'
        f' hx-get="{address}"{hint}>'
    )


def _legend_item(style: str, name: str, attribute: str) -> str:
    return (
        f'<li class="legend__item" {attribute}><span class="legend__swatch'
        f' legend__swatch--{style}" aria-hidden="true"></span>{name}</li>'
    )


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
def missing_buckets(chart: Chart) -> SafeString:
    """Render a hatched area over buckets of which nothing was recorded."""
    if not chart.has_missing:
        return SafeString("")
    width = 100 / max(len(chart.rows), 1)
    pattern = f"{escape(chart.id)}-hatch"
    areas = (
        f'<rect class="missing" x="{width * first:.3f}%" width="{width * count:.3f}%"'
        f' height="100%" fill="url(#{pattern})"/>'
        for first, count in _missing_runs(chart)
    )
    return SafeString(
        f'<defs><pattern id="{pattern}" width="7" height="7"'
        ' patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<line class="hatch" y2="7"/></pattern></defs>' + "".join(areas)
    )


def _missing_runs(chart: Chart) -> list[tuple[int, int]]:
    """Return each run of missing buckets: its first one, and how many they are."""
    runs: list[tuple[int, int]] = []
    for index, mark in sorted(chart.marks.items()):
        if mark.kind != "missing":
            continue
        if runs and sum(runs[-1]) == index:
            runs[-1] = runs[-1][0], runs[-1][1] + 1
        else:
            runs.append((index, 1))
    return runs


@register.simple_tag
def unpriced_buckets(chart: Chart) -> SafeString:
    """Render a ring at the foot of each bucket with usage that has no price."""
    width = 100 / max(len(chart.rows), 1)
    return SafeString(
        "".join(
            f'<circle class="unpriced" cx="{width * (index + 0.5):.3f}%" cy="100%"'
            ' r="3.5"/>'
            for index in chart.unpriced
        )
    )


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
    title = _bucket(chart, row)
    if row.mark:
        title += f" ({row.mark.text})"
    lines = [title]
    if not row.has_no_value:
        lines += _tooltip_values(chart, row)
    if row.previous is not None and chart.comparison:
        lines.append(f"{chart.comparison.label} {_shown(row.previous, chart)}")
    return "\n".join(lines)


def _tooltip_values(chart: Chart, row: TableRow) -> list[str]:
    lines = []
    if chart.kind == "bars" and len(row.cells) > 1:
        lines.append(f"Total {_shown(row.total or 0, chart)}")
    for name, cell, text in zip(
        chart.columns, row.cells, chart.empty_texts, strict=True
    ):
        if cell or text or len(row.cells) == 1:
            lines.append(f"{name} {_shown(cell, chart) if cell is not None else text}")
    if row.note and chart.unpriced:
        lines.append(f"{chart.notes_header}: {row.note}")
    return lines


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
def table_head(chart: Chart) -> SafeString:
    """Render the names of the table's columns."""
    names = [escape(name) for name in (*chart.columns, *_sum_columns(chart))]
    notes = f'<th scope="col">{escape(chart.notes_header)}</th>'
    return SafeString(
        f'<tr><th scope="col">{"Month" if chart.grain == "monthly" else "Day"}</th>'
        + "".join(f'<th scope="col" class="number">{name}</th>' for name in names)
        + (notes if chart.notes_header else "")
        + "</tr>"
    )


def _sum_columns(chart: Chart) -> list[str]:
    columns = []
    if chart.has_totals:
        columns.append("Total shown" if chart.is_filtered else "Total")
    if chart.comparison:
        columns += ["Range before", "Change"]
    return columns


@register.simple_tag
def table_rows(chart: Chart) -> SafeString:
    """Render the table: a row for each bucket, a cell for each series."""
    return SafeString(
        "".join(_row(chart, row, index) for index, row in enumerate(chart.rows))
    )


@register.simple_tag
def table_totals(chart: Chart) -> SafeString:
    """Render the sums of the columns; nothing for a table without."""
    if not chart.has_totals:
        return SafeString("")
    totals = [entry for entry in chart.legend if not entry.is_hidden]
    cells = [_cell(entry.total, chart, entry.empty_text) for entry in totals]
    total = add_up([entry.total for entry in totals])
    cells.append(_cell(total, chart, _empty_text(chart)))
    if chart.comparison:
        cells += _compared_cells(total, chart.comparison.total, chart)
    note = "<td></td>" if chart.notes_header else ""
    return SafeString(
        f'<tfoot><tr data-totals><th scope="row">Total</th>{"".join(cells)}{note}</tr>'
        "</tfoot>"
    )


def _row(chart: Chart, row: TableRow, index: int) -> str:
    cells = [
        _cell(None, chart, "") if row.has_no_value else _cell(cell, chart, text)
        for cell, text in zip(row.cells, chart.empty_texts, strict=True)
    ]
    total = None if row.has_no_value else row.total
    if chart.has_totals:
        text = "" if row.has_no_value else _empty_text(chart)
        cells.append(_cell(total, chart, text))
    if chart.comparison:
        cells += _compared_cells(total, row.previous, chart)
    note = f"<td>{escape(row.note)}</td>" if chart.notes_header else ""
    bucket = _bucket(chart, row)
    if chart.links:
        bucket = f'<a class="link" href="{escape(chart.links[index])}">{bucket}</a>'
    mark = _mark(row.mark) if row.mark else ""
    return f'<tr><th scope="row">{bucket}{mark}</th>{"".join(cells)}{note}</tr>'


def _mark(mark: Mark) -> str:
    return f' <small data-mark="{mark.kind}">{escape(mark.text)}</small>'


def _cell(value: Value, chart: Chart, empty_text: str) -> str:
    return f'<td class="number">{_value(value, chart, empty_text)}</td>'


def _empty_text(chart: Chart) -> str:
    """Return why a sum is unknown: every series has the same text."""
    return next(iter(chart.empty_texts), "")


def _compared_cells(total: Value, previous: Value, chart: Chart) -> list[str]:
    """Return the cells of the range before, and of the change against it."""
    change = None
    if total is not None and previous is not None:
        change = Decimal(total) - Decimal(previous)
    return [_cell(previous, chart, ""), _cell(change, chart, "")]


def _bucket(chart: Chart, row: TableRow) -> str:
    return month_year(row.day) if chart.grain == "monthly" else day_year(row.day)
