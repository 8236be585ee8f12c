"""Template tag that renders the daily metrics of up to 365 days as table rows.

Written in Python, because the template engine is too slow for thousands of cells.
"""

from collections.abc import Sequence
from datetime import date

from django import template
from django.utils.safestring import SafeString

from metrics.queries.daily_metrics import DayMetrics
from orgs.web.templatetags.display import byte_size, day_year, duration

register = template.Library()


@register.simple_tag
def day_rows(
    days: Sequence[DayMetrics], today: date, *, has_compute: bool
) -> SafeString:
    """Render a table row for each day.

    The rows consist of numbers and dates, so nothing needs to be escaped.
    """
    return SafeString(
        "\n".join(_row(day, today, has_compute=has_compute) for day in days)
    )


def _row(day: DayMetrics, today: date, *, has_compute: bool) -> str:
    partial = " <small>partial day</small>" if day.day == today else ""
    counts = (day.total_members, day.total_staff, day.total_projects)
    stored = day.total_storage_bytes
    return (
        f'<tr><th scope="row">{day_year(day.day)}{partial}</th>'
        + "".join(f'<td class="number">{number}</td>' for number in counts)
        + f'<td class="number" title="{stored} bytes">{byte_size(stored)}</td>'
        + (_compute_cells(day) if has_compute else "")
        + "</tr>"
    )


def _compute_cells(day: DayMetrics) -> str:
    seconds = (
        day.cpu_seconds,
        day.gpu_seconds,
        day.compute_seconds,
        day.total_contract_compute_seconds,
    )
    return "".join(
        f'<td class="number" title="{number} s">{duration(number)}</td>'
        for number in seconds
    )
