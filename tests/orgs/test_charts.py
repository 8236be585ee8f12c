"""Geometry of chart images, computed by hand: round ticks, gaps, exact sums."""

import html
import re
from datetime import date
from decimal import Decimal

import pytest

from orgs.web.charts import Limit, Series, axis, build_chart, sparkline
from orgs.web.templatetags.charts import buckets, legend
from orgs.web.templatetags.display import day_year

DAYS = [date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 21)]


@pytest.mark.parametrize(
    ("highest", "unit", "labels"),
    [
        (441, "usd", ["$0", "$100", "$200", "$300", "$400", "$500"]),
        (0, "usd", ["$0", "$0.2", "$0.4", "$0.6", "$0.8", "$1.0"]),
        (0.0042, "usd", ["$0", "$0.001", "$0.002", "$0.003", "$0.004", "$0.005"]),
        (9_700_000, "tokens", ["0", "2M", "4M", "6M", "8M", "10M"]),
        (3 * 1024**4, "bytes", ["0", "1 TiB", "2 TiB", "3 TiB"]),
        (4 * 3600, "seconds", ["0", "1 h", "2 h", "3 h", "4 h"]),
    ],
)
def test_ticks_are_round(highest: float, unit: str, labels: list[str]) -> None:
    assert [tick.label for tick in axis(highest, unit=unit)] == labels


def test_bars_are_stacked_and_the_partial_day_is_distinct() -> None:
    chart = build_chart(
        id="c",
        title="Cost",
        days=DAYS,
        series=[
            Series("a", [Decimal(50), Decimal(0), Decimal(25)]),
            Series("b", [Decimal(50), Decimal(100), None]),
        ],
        unit="usd",
        partial_from=2,
    )

    assert [(s.tone, s.is_partial) for s in chart.shapes] == [
        (1, False),
        (1, True),
        (2, False),
    ]
    assert chart.shapes[0].d == "M46.7 500.0h240.0v500.0h-240.0z"
    assert chart.shapes[2].d.startswith("M46.7 0.0h240.0v500.0h-240.0z")
    assert [entry.total for entry in chart.legend] == [75, 150]
    assert chart.rows[2].cells == [Decimal(25), None]
    assert chart.data["series"][1]["y"] == [50.0, 100.0, None]


def test_a_gap_in_a_line_stays_a_gap() -> None:
    chart = build_chart(
        id="c",
        title="Tokens",
        days=DAYS,
        series=[Series("a", [10, None, 5])],
        unit="tokens",
        kind="lines",
    )

    assert chart.shapes[0].d == "M166.7 0.0M833.3 500.0"


@pytest.mark.parametrize(("value", "shown"), [(150, True), (10_000, False)])
def test_a_distant_limit_does_not_flatten_the_chart(value: int, shown: bool) -> None:
    chart = build_chart(
        id="c",
        title="Cost",
        days=DAYS,
        series=[Series("a", [100, 90, 80])],
        unit="usd",
        limits=[Limit(value, "Hard limit", "bad")],
    )

    assert [line.label for line in chart.limits] == ["Hard limit"] * shown
    assert len(chart.data["limits"]) == shown


def test_a_forecast_continues_from_the_measured_line() -> None:
    """50, 100, then 150 at this rate: a limit of 125 is reached halfway between."""
    chart = build_chart(
        id="c",
        title="Cost",
        days=DAYS,
        series=[
            Series("So far", [50, 100, None], is_level=True),
            Series("At this rate", [None, 100, 150], is_level=True, is_forecast=True),
        ],
        unit="usd",
        kind="lines",
        limits=[
            Limit(125, "soft limit", reached_at=2.0, reached_label="Nov 21"),
            Limit(135, "hard limit", "bad"),
        ],
        notes=("Limit", {DAYS[2]: "soft limit reached"}),
    )

    assert [(s.tone, s.style, s.d) for s in chart.shapes] == [
        (1, "area", "M166.7 666.7L500.0 333.3L500.0 1000L166.7 1000Z"),
        (1, "", "M166.7 666.7L500.0 333.3"),
        (1, "forecast", "M500.0 333.3L833.3 0.0"),
    ]
    soft, hard = chart.limits
    assert (soft.position, soft.reached_at, soft.tone) == (16.667, 66.667, "warn")
    assert (hard.position, hard.reached_at, hard.tone) == (10.0, None, "bad")
    assert "soft limit, reached Nov 21" in legend(chart)
    assert [entry.total for entry in chart.legend] == [100, 150]
    assert [row.note for row in chart.rows] == ["", "", "soft limit reached"]
    assert [item["forecast"] for item in chart.data["series"]] == [False, True]


def test_a_bucket_says_what_it_adds_up_to() -> None:
    chart = build_chart(
        id="c",
        title="Cost",
        days=DAYS,
        series=[
            Series("<b>", [1, 0, Decimal("0.004321")]),
            Series("new", [Decimal("2.508"), None, None], empty_text="no price"),
        ],
        unit="usd",
        partial_from=2,
    )

    tooltips = re.findall(r"<title>(.*?)</title>", buckets(chart), re.DOTALL)
    assert [html.unescape(tooltip).split("\n") for tooltip in tooltips] == [
        [day_year(DAYS[0]), "Total $3.51", "<b> $1.00", "new $2.51"],
        [day_year(DAYS[1]), "Total $0.00", "new no price"],
        [f"{day_year(DAYS[2])} (partial)", "Total $0.0043", "<b> $0.0043",
         "new no price"],
    ]  # fmt: skip


def test_an_empty_chart_can_be_drawn() -> None:
    chart = build_chart(id="c", title="Cost", days=[], series=[], unit="usd")

    assert (chart.shapes, chart.x_ticks, chart.rows) == ([], [], [])


def test_sparkline_spans_its_box() -> None:
    assert sparkline([0, 5, 10]) == "0.0,100.0 50.0,52.0 100.0,4.0"
    assert sparkline([]) == ""
