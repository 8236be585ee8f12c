"""Which buckets of a chart are partial, missing, or still to come, and why."""

from datetime import date

from metrics.periods import Grain
from metrics.queries.series import Series
from orgs.days import ONE_DAY
from orgs.web.charts import Mark
from orgs.web.templatetags.display import day


def bucket_marks(
    series: Series, *, today: date, started_on: date | None = None
) -> dict[int, Mark]:
    """Return why buckets have no complete value, by their index.

    A bucket without a single recorded quantity is missing, which is not 0: Orgdesk
    cannot know whether nothing was used or nothing was sent. A product without usage in
    a bucket with other usage is 0. `started_on` is the first day of the contract, None
    for a chart of many organizations.
    """
    used = {bucket for line in series.lines for bucket in line.by_bucket}
    marks = {
        index: _mark(series, bucket, bucket in used, today, started_on)
        for index, bucket in enumerate(series.buckets)
    }
    return {index: mark for index, mark in marks.items() if mark}


def _mark(
    series: Series, bucket: date, is_used: bool, today: date, started_on: date | None
) -> Mark | None:
    if bucket > today and not is_used:
        return Mark("future", "not begun yet")
    last = series.filters.grain.after(bucket) - ONE_DAY
    if not is_used and started_on and last < started_on:
        return Mark("missing", "before the contract start")
    if not is_used and last < today:
        return Mark("missing", "no usage recorded")
    text = _partial_text(series, bucket, today, started_on)
    if not is_used:  # of today or of this month
        text = f"no usage recorded yet, {text}" if text else "no usage recorded"
        return Mark("missing", text)
    return Mark("partial", text) if text else None


def _partial_text(
    series: Series, bucket: date, today: date, started_on: date | None
) -> str:
    """Return which part of a bucket is shown; empty for all of it."""
    days, grain = series.filters.range, series.filters.grain
    last = grain.after(bucket) - ONE_DAY
    if bucket == last:
        return "not over yet" if bucket >= today else ""
    parts = []
    if days.start > bucket:
        parts.append(f"from {day(days.start)}")
    elif started_on and bucket < started_on <= last:
        parts.append(f"contract start {day(started_on)}")
    if min(days.end - ONE_DAY, last) >= today:
        parts.append("not over yet")
    elif days.end <= last:
        parts.append(f"through {day(days.end - ONE_DAY)}")
    return ", ".join(parts)


def bucket_name(grain: Grain) -> str:
    """Return what a chart of this grain has a bar for."""
    return "day" if grain is Grain.DAILY else "month"


def caption(series: Series) -> str:
    """Return the length of a range by month; a chart by day has no caption."""
    if series.filters.grain is Grain.DAILY:
        return ""
    days, buckets = series.filters.range.days, len(series.buckets)
    return (
        f"{days} day{'' if days == 1 else 's'} in"
        f" {buckets} month{'' if buckets == 1 else 's'}."
    )
