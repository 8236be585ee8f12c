"""Charts of costs: missing and partial buckets, and which lines are shown."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pytest

from metrics.charts.buckets import bucket_marks, caption
from metrics.charts.costs import cost_chart
from metrics.charts.lines import LineChoice
from metrics.periods import DayRange, Grain
from metrics.queries.series import Series, SeriesFilters, build_series

TODAY = date(2026, 11, 21)


def make_series(
    costs: Mapping[tuple[date, str], int],
    start: date,
    end: date,
    grain: Grain = Grain.DAILY,
) -> Series:
    """Return a series of the cost of each bucket and line."""
    rows = [(day, line, 1, Decimal(cost), 0, 0) for (day, line), cost in costs.items()]
    return build_series(SeriesFilters(DayRange(start, end), grain), rows)


def marks(series: Series, started_on: date | None = None) -> list[tuple[str, str]]:
    """Return kind and text of the mark of each bucket; empty ones without a mark."""
    by_index = bucket_marks(series, today=TODAY, started_on=started_on)
    return [
        (by_index[n].kind, by_index[n].text) if n in by_index else ("", "")
        for n in range(len(series.buckets))
    ]


def test_a_day_without_a_record_is_missing_and_not_zero() -> None:
    series = make_series(
        {(date(2026, 11, 18), "free"): 0, (TODAY, "gpt"): 5},
        date(2026, 11, 16),
        date(2026, 11, 24),
    )
    assert marks(series, date(2026, 11, 17)) == [
        ("missing", "before the contract start"),
        ("missing", "no usage recorded"),
        ("", ""),
        ("missing", "no usage recorded"),
        ("missing", "no usage recorded"),
        ("partial", "not over yet"),
        ("future", "not begun yet"),
        ("future", "not begun yet"),
    ]


def test_today_without_a_record_is_missing_so_far() -> None:
    series = make_series({}, TODAY, date(2026, 11, 22))
    assert marks(series) == [("missing", "no usage recorded yet, not over yet")]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ((2026, 9, 12), (2026, 11, 22), ["from Sep 12", "", "not over yet"]),
        ((2026, 9, 1), (2026, 11, 10), ["", "", "through Nov 9"]),
        ((2026, 9, 1), (2026, 12, 1), ["", "", "not over yet"]),
        ((2026, 11, 5), (2026, 11, 8), ["from Nov 5, through Nov 7"]),
        ((2026, 11, 5), (2026, 11, 22), ["from Nov 5, not over yet"]),
    ],
)
def test_the_first_and_last_month_are_partial(
    start: tuple[int, int, int], end: tuple[int, int, int], expected: list[str]
) -> None:
    days = date(*start), date(*end)
    filters = SeriesFilters(DayRange(*days), Grain.MONTHLY)
    costs = {(month, "gpt"): 1 for month in filters.buckets}
    series = make_series(costs, *days, Grain.MONTHLY)
    assert [text for _, text in marks(series)] == expected
    assert {kind for kind, text in marks(series) if text} == {"partial"}
    assert str((days[1] - days[0]).days) in caption(series)


def test_the_month_of_the_contract_start_is_partial() -> None:
    months = date(2026, 8, 1), date(2026, 10, 1)
    series = make_series({(date(2026, 9, 1), "gpt"): 1}, *months, Grain.MONTHLY)
    assert marks(series, date(2026, 9, 12)) == [
        ("missing", "before the contract start"),
        ("partial", "contract start Sep 12"),
    ]


LINES = {(TODAY, f"line-{number:02}"): 60 - number for number in range(60)}


def choice(**chosen: object) -> LineChoice:
    """Return a choice whose links name what is hidden."""
    return LineChoice(
        lambda c: f"?{','.join(sorted(c.hidden))}{'&all' if c.has_all_lines else ''}",
        "#panel",
        **chosen,  # type: ignore[arg-type]
    )


def legend_of(
    lines: int, chosen: LineChoice
) -> tuple[list[tuple[str, bool]], list[str]]:
    costs = dict(list(LINES.items())[:lines])
    series = make_series(costs, TODAY, date(2026, 11, 22))
    chart = cost_chart(series, currency="usd", today=TODAY, choice=chosen)
    assert chart is not None
    entries = [(entry.name, entry.is_hidden) for entry in chart.legend]
    assert [entry.url for entry in chart.legend if entry.name == "line-00"] == [
        chosen.toggle_url("line-00")
    ]
    return entries, [link.label for link in chart.legend_links]


def test_the_smallest_lines_are_added_up_until_they_are_asked_for() -> None:
    entries, links = legend_of(7, choice())
    assert [name for name, _ in entries] == [
        *("line-00", "line-01", "line-02", "line-03", "3 more"),
    ]
    assert links == []
    entries, links = legend_of(7, choice(has_all_lines=True))
    assert len(entries) == 7
    assert links == ["Show fewer"]
    entries, _ = legend_of(60, choice(has_all_lines=True))
    assert entries[-1] == ("11 more", False)


def test_a_hidden_line_is_never_part_of_a_sum() -> None:
    entries, links = legend_of(7, choice(hidden=frozenset({"line-05", "elsewhere"})))
    assert entries == [
        *((f"line-0{number}", False) for number in range(4)),
        ("line-05", True),
        ("2 more", False),
    ]
    assert links == ["Show all"]


def test_the_range_before_is_compared_without_hidden_lines() -> None:
    series = make_series({(TODAY, "gpt"): 5}, TODAY, date(2026, 11, 22))
    earlier = date(2026, 11, 20)
    filters = SeriesFilters(DayRange(TODAY, date(2026, 11, 22))).before()
    assert (filters.range.start, filters.buckets) == (earlier, (TODAY,))
    rows = [(TODAY, "gpt", 1, Decimal(3), 0, 0), (TODAY, "old", 1, Decimal(4), 0, 0)]
    previous = build_series(filters, rows)
    for hidden, expected in ((frozenset[str](), 7), (frozenset({"old"}), 3)):
        chart = cost_chart(
            series,
            currency="usd",
            today=TODAY,
            choice=choice(hidden=hidden),
            previous=("Nov 20", previous),
        )
        assert chart is not None
        assert chart.comparison is not None
        assert chart.comparison.values == [expected]
