"""Template tag that renders the daily metrics of up to 365 days as table rows.

Written in Python, because the template engine is too slow for thousands of cells.
"""

from collections.abc import Callable, Sequence
from datetime import date

from django import template
from django.utils.safestring import SafeString

from metrics.queries.daily_metrics import DayMetrics
from orgs.web.templatetags.display import byte_size, day_year, duration, exact

register = template.Library()


# The overview shows these days too: their numbers carry their definition. More would
# double the page.
_DEFINED_DAYS = 7


@register.simple_tag
def day_rows(
    days: Sequence[DayMetrics], today: date, *, has_compute: bool
) -> SafeString:
    """Render a table row for each day, newest first.

    The rows consist of numbers and dates, so nothing needs to be escaped.
    """
    recent, older = days[:_DEFINED_DAYS], days[_DEFINED_DAYS:]
    rows = [
        *(_row(day, today, _defined, has_compute=has_compute) for day in recent),
        *(_row(day, today, _plain, has_compute=has_compute) for day in older),
    ]
    return SafeString("\n".join(rows))


Cell = Callable[[DayMetrics, str, int, str], str]


def _defined(day: DayMetrics, name: str, value: int, unit: str) -> str:
    return exact(value, unit, number=f"day.{name}", of=day.day)


def _plain(day: DayMetrics, name: str, value: int, unit: str) -> str:
    if unit == "count":
        return str(value)
    text, noun = (
        (byte_size(value), "bytes") if unit == "bytes" else (duration(value), "s")
    )
    return f'<span title="{value} {noun}">{text}</span>'


def _row(day: DayMetrics, today: date, cell: Cell, *, has_compute: bool) -> str:
    partial = " <small>partial day</small>" if day.day == today else ""
    numbers = [
        ("members", day.total_members, "count"),
        ("staff", day.total_staff, "count"),
        ("projects", day.total_projects, "count"),
        ("storage_bytes", day.total_storage_bytes, "bytes"),
    ]
    if has_compute:
        numbers += [
            ("cpu_seconds", day.cpu_seconds, "seconds"),
            ("gpu_seconds", day.gpu_seconds, "seconds"),
            ("weighted_seconds", day.compute_seconds, "seconds"),
            ("weighted_total", day.total_contract_compute_seconds, "seconds"),
        ]
    cells = (f'<td class="number">{cell(day, *number)}</td>' for number in numbers)
    return f'<tr><th scope="row">{day_year(day.day)}{partial}</th>{"".join(cells)}</tr>'
