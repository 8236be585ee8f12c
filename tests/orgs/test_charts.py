"""Geometry of chart images, computed by hand: round ticks, gaps, exact sums."""

import html
import re
from datetime import date
from decimal import Decimal

import pytest

from orgs.web.charts import (
    Chart,
    Comparison,
    LegendLink,
    Limit,
    Mark,
    Series,
    axis,
    build_chart,
    sparkline,
)
from orgs.web.templatetags.charts import (
    buckets,
    legend,
    missing_buckets,
    table_head,
    table_rows,
    table_totals,
    unpriced_buckets,
)
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
        marks={2: Mark("partial", "not over yet")},
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
        marks={2: Mark("partial", "not over yet")},
    )

    tooltips = re.findall(r"<title>(.*?)</title>", buckets(chart), re.DOTALL)
    assert [html.unescape(tooltip).split("\n") for tooltip in tooltips] == [
        [day_year(DAYS[0]), "Total $3.51", "<b> $1.00", "new $2.51"],
        [day_year(DAYS[1]), "Total $0.00", "new no price"],
        [f"{day_year(DAYS[2])} (not over yet)", "Total $0.0043", "<b> $0.0043",
         "new no price"],
    ]  # fmt: skip


NONE = "\N{EN DASH}"
MARKED = {0: Mark("missing", "no usage recorded"), 2: Mark("partial", "not over yet")}


def explored() -> Chart:
    """Return a chart with a hidden series, a missing day, and the range before."""
    return build_chart(
        id="c",
        title="Cost",
        days=DAYS,
        series=[
            Series("a", [Decimal(0), Decimal(4), Decimal(2)], url="?hide=a"),
            Series("b", [0, 90, 90], is_hidden=True, url="?", url_title="Show"),
            Series("<c>", [0, 1, None], empty_text="no price", url="?hide=c"),
        ],
        unit="usd",
        marks=MARKED,
        unpriced=[2],
        notes=("No price", {DAYS[2]: "<c>"}),
        legend_links=[LegendLink("Show all", "?")],
        legend_target="#panel",
        comparison=Comparison("Nov 16 - Nov 18", [Decimal(8), None, Decimal(1)]),
        has_totals=True,
    )


def cells(html_text: str) -> list[list[str]]:
    """Return the texts of the cells of each row."""
    rows = re.findall(r"<tr.*?</tr>", html_text)
    texts = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row) for row in rows]
    return [[html.unescape(re.sub("<.*?>", "", t)) for t in row] for row in texts]


def test_the_table_adds_up_rows_and_columns_of_what_is_shown() -> None:
    chart = explored()
    assert cells(table_head(chart)) == [
        ["Day", "a", "<c>", "Total shown", "Range before", "Change", "No price"]
    ]
    missing, whole, partial = cells(table_rows(chart))
    assert missing == [
        f"{day_year(DAYS[0])} no usage recorded",
        *(NONE, NONE, NONE, "$8.00", NONE, ""),
    ]
    assert whole[1:] == ["$4.00", "$1.00", "$5.00", NONE, NONE, ""]
    assert partial == [
        f"{day_year(DAYS[2])} not over yet",
        *("$2.00", "no price", "$2.00", "$1.00", "$1.00", "<c>"),
    ]
    assert cells(table_totals(chart)) == [
        ["Total", "$6.00", "$1.00", "$7.00", "$9.00", "\N{MINUS SIGN}$2.00", ""]
    ]
    plain = build_chart(id="c", title="", days=DAYS, series=[], unit="usd")
    assert table_totals(plain) == ""


def test_a_hidden_series_is_in_the_legend_only_and_the_others_keep_their_colors() -> (
    None
):
    chart = explored()
    assert [shape.tone for shape in chart.shapes if not shape.style] == [1, 1, 3]
    assert [item["tone"] for item in chart.data["series"]] == [1, 3]
    assert chart.data["top"] < 90
    text = legend(chart)
    assert re.findall(r'data-line="(\w+)"', text) == ["shown", "hidden", "shown"]
    assert text.count("hx-get=") == 4
    assert 'href="?hide=a" hx-get="?hide=a"' in text


def test_the_range_before_is_drawn_as_outlines() -> None:
    chart = explored()
    [outline] = [shape for shape in chart.shapes if shape.style == "previous"]
    assert outline.d.count("M") == 2  # none where the value is unknown
    assert chart.data["compared"] == {
        "name": "Nov 16 - Nov 18",
        "y": [8.0, None, 1.0],
    }
    assert "data-previous" in legend(chart)


def test_missing_and_unpriced_buckets_are_marked() -> None:
    chart = explored()
    areas = missing_buckets(chart)
    drawn = re.compile(r'<rect class="missing" x="([\d.]+)%" width="([\d.]+)%')
    assert drawn.findall(areas) == [("0.000", "33.333")]
    gap = {n: Mark("missing", "") for n in (0, 2, 3)}
    days = [date(2026, 11, day) for day in range(1, 5)]
    gaps = build_chart(id="c", title="", days=days, series=[], unit="usd", marks=gap)
    runs = [("0.000", "25.000"), ("50.000", "50.000")]
    assert drawn.findall(missing_buckets(gaps)) == runs
    assert 'fill="url(#c-hatch)"' in areas
    assert 'cx="83.333%"' in unpriced_buckets(chart)
    tooltips = re.findall(r"<title>(.*?)</title>", buckets(chart), re.DOTALL)
    assert html.unescape(tooltips[0]).split("\n") == [
        f"{day_year(DAYS[0])} (no usage recorded)",
        "Nov 16 - Nov 18 $8.00",
    ]
    assert chart.data["marks"]["0"]["kind"] == "missing"
    assert chart.data["series"][0]["y"] == [None, 4.0, 2.0]
    assert chart.data["unpriced"] == [{"at": 2, "names": "<c>"}]


def test_an_empty_chart_can_be_drawn() -> None:
    chart = build_chart(id="c", title="Cost", days=[], series=[], unit="usd")

    assert (chart.shapes, chart.x_ticks, chart.rows) == ([], [], [])


def test_sparkline_spans_its_box() -> None:
    assert sparkline([0, 5, 10]) == "0.0,100.0 50.0,52.0 100.0,4.0"
    assert sparkline([]) == ""
