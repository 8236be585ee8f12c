"""The rows of a year of days, written without the engine: ten cells 365 times."""

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
    """Numbers and dates alone: nothing in them was typed by anybody."""
    return SafeString(
        "\n".join(_row(day, today, has_compute=has_compute) for day in days)
    )


def _row(day: DayMetrics, today: date, *, has_compute: bool) -> str:
    so_far = " <small>partial day</small>" if day.day == today else ""
    heads = (day.total_members, day.total_staff, day.total_projects)
    stored = day.total_storage_bytes
    return (
        f'<tr><th scope="row">{day_year(day.day)}{so_far}</th>'
        + "".join(f'<td class="number">{number}</td>' for number in heads)
        + f'<td class="number" title="{stored} bytes">{byte_size(stored)}</td>'
        + (_compute(day) if has_compute else "")
        + "</tr>"
    )


def _compute(day: DayMetrics) -> str:
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
