"""Charts as data: an SVG picture, the numbers for Plotly, and a table of the same.

Pure functions of values. The SVG needs no script. Its shapes are drawn in a box of 1000
by 1000 that the page stretches; text is outside the box and keeps its size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import accumulate
from math import ceil, floor, log10
from typing import Any, Literal

from orgs.web.chart_bars import BOX, Shape, Value, outlines, stacked_bars

Kind = Literal["bars", "lines"]
Tone = Literal["warn", "bad"]
Grain = Literal["daily", "monthly"]
MarkKind = Literal["partial", "missing", "future"]

CURRENCY_SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "inr": "₹"}
TONES = 5
MAX_TONES = 10  # colors of a chart with more series; then they repeat
_AXIS_STEPS = 5
_ROUND_STEPS = (1, 2, 2.5, 5, 10)
_LIMIT_HEADROOM = 1.02
# A limit this many times above the highest value would flatten everything else.
_MAX_LIMIT_RATIO = 3
_DAYS_WITHOUT_YEAR = 370  # the labels of a longer range include the year
_X_LABELS = {"daily": 6, "monthly": 4}
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_DECIMAL = ("", "k", "M", "B", "T")
_MINUTE, _HOUR = 60, 3600


@dataclass(frozen=True)
class Series:
    """The values of a line, or of one color of the bars."""

    name: str
    values: Sequence[Value]
    is_level: bool = False  # a level, such as stored bytes: its total is the last value
    is_forecast: bool = False  # a line of expected values, drawn dotted
    empty_text: str = ""  # of an unknown value, such as "no price"
    is_hidden: bool = False  # in the legend only
    url: str = ""  # of the chart without it or, if it is hidden, with it
    url_title: str = ""  # what the link does, such as "Hide"

    @property
    def total(self) -> Value:
        """The exact sum of the values; the last known value of a level.

        None if there are values and all are unknown for a reason, `empty_text`.
        """
        if self.empty_text and self.is_unknown:
            return None
        if self.is_level:
            return next((v for v in reversed(self.values) if v is not None), 0)
        return sum(value for value in self.values if value is not None)

    @property
    def is_unknown(self) -> bool:
        """True if at least one value is unknown, and all others are 0."""
        return None in self.values and not any(self.values)


@dataclass(frozen=True)
class Limit:
    """A limit on the values, drawn as a horizontal line and named in the legend.

    `reached_at` is where on the x-axis the values reach it, counted in days, and
    `reached_label` the date of that point.
    """

    value: Decimal | int
    label: str
    tone: Tone = "warn"
    reached_at: float | None = None
    reached_label: str = ""


@dataclass(frozen=True)
class Mark:
    """The reason why a bucket has no complete value, as a text.

    Of a "partial" bucket a part is shown, for a "missing" one nothing was recorded, and
    a "future" one has not begun.
    """

    kind: MarkKind
    text: str


@dataclass(frozen=True)
class Comparison:
    """Sums of the range before, bucket by bucket, drawn as outlines of bars."""

    label: str  # its days, such as "Sep 22 - Oct 21"
    values: Sequence[Value]

    @property
    def total(self) -> Value:
        """The exact sum; None if nothing is known."""
        return add_up(self.values)


@dataclass(frozen=True)
class Tick:
    """A label of an axis and its position in percent from the top or the left."""

    position: float
    label: str
    value: float = 0


@dataclass(frozen=True)
class LimitLine:
    """The line of a limit; positions are in percent from the top and from the left."""

    position: float
    label: str
    tone: Tone
    reached_at: float | None = None
    reached_label: str = ""


@dataclass(frozen=True)
class LegendEntry:
    """A series in the legend."""

    tone: int
    name: str
    total: Value
    is_forecast: bool = False
    empty_text: str = ""
    is_hidden: bool = False
    url: str = ""
    url_title: str = ""


@dataclass(frozen=True)
class LegendLink:
    """A link behind the legend, such as “Show all”."""

    label: str
    url: str


@dataclass(frozen=True)
class TableRow:
    """A bucket of the table, with a cell for each series that is shown."""

    day: date
    cells: Sequence[Value]
    note: str = ""
    mark: Mark | None = None
    previous: Value = None  # of the range before

    @property
    def total(self) -> Value:
        """The sum of the cells; None if none of them is known."""
        return add_up(self.cells)

    @property
    def has_no_value(self) -> bool:
        """Return whether nothing was recorded, which is not 0."""
        return self.mark is not None and self.mark.kind != "partial"


@dataclass(frozen=True)
class Chart:
    """A chart as `components/chart.html` renders it."""

    id: str
    title: str
    caption: str
    kind: Kind
    unit: str
    currency: str
    grain: Grain
    legend: Sequence[LegendEntry]
    y_ticks: Sequence[Tick]
    x_ticks: Sequence[Tick]
    marks: Mapping[int, Mark]  # by bucket
    unpriced: Sequence[int]  # buckets with usage that has no price
    shapes: Sequence[Shape]
    limits: Sequence[LimitLine]
    notes_header: str  # of the table's column of notes; empty if it has none
    columns: Sequence[str]
    empty_texts: Sequence[str]  # of unknown values, by column
    rows: Sequence[TableRow]
    data: dict[str, Any]
    links: Sequence[str] = ()  # of the buckets: where their values come from
    legend_links: Sequence[LegendLink] = ()
    legend_target: str = ""  # the selector of the part that these links replace
    comparison: Comparison | None = None
    has_totals: bool = False  # the table has a row and a column of sums

    @property
    def totals(self) -> Sequence[Value]:
        """The sum of each column of the table."""
        return [entry.total for entry in self.legend if not entry.is_hidden]

    @property
    def is_filtered(self) -> bool:
        """Return whether at least one series is hidden."""
        return any(entry.is_hidden for entry in self.legend)

    @property
    def has_missing(self) -> bool:
        return any(mark.kind == "missing" for mark in self.marks.values())


_NO_MARKS: Mapping[int, Mark] = {}


def build_chart(
    *,
    id: str,  # noqa: A002  the id of the HTML element
    title: str,
    days: Sequence[date],
    series: Sequence[Series],
    unit: str,
    kind: Kind = "bars",
    grain: Grain = "daily",
    currency: str = "usd",
    caption: str = "",
    limits: Sequence[Limit] = (),
    marks: Mapping[int, Mark] = _NO_MARKS,
    unpriced: Sequence[int] = (),
    notes: tuple[str, Mapping[date, str]] = ("", {}),
    links: Sequence[str] = (),
    legend_links: Sequence[LegendLink] = (),
    legend_target: str = "",
    comparison: Comparison | None = None,
    has_totals: bool = False,
) -> Chart:
    """Return a chart of the series, in the order in which their bars are stacked.

    `marks` are the buckets without a complete value, by index. `notes` is an additional
    column of the table: its header, and its text by day. With `has_totals` the table
    adds up its rows and columns, which must be of one unit.
    """
    tones = _tones(series)
    shown = [
        (tone, s) for tone, s in zip(tones, series, strict=True) if not s.is_hidden
    ]
    visible = [item for _, item in shown]
    compared = comparison.values if comparison else ()
    highest = max(_highest(visible, kind), *(float(v or 0) for v in compared), 0.0)
    limits = [limit for limit in limits if is_limit_shown(limit.value, highest)]
    limit_heights = (float(limit.value) * _LIMIT_HEADROOM for limit in limits)
    ceiling = max(highest, *limit_heights, 0)
    ticks = axis(ceiling, unit=unit, currency=currency)
    top = ticks[-1].value
    partial = {index for index, mark in marks.items() if mark.kind == "partial"}
    shapes = (
        _lines(visible, top)
        if kind == "lines"
        else [
            *stacked_bars([(tone, item.values) for tone, item in shown], top, partial),
            *outlines(compared, top),
        ]
    )
    return Chart(
        id=id,
        title=title,
        caption=caption,
        kind=kind,
        unit="money" if unit == "usd" else unit,
        currency=currency,
        grain=grain,
        legend=[
            LegendEntry(
                tone,
                item.name,
                item.total,
                item.is_forecast,
                item.empty_text,
                item.is_hidden,
                item.url,
                item.url_title,
            )
            for tone, item in zip(tones, series, strict=True)
        ],
        y_ticks=ticks,
        x_ticks=_x_ticks(days, grain),
        marks=marks,
        unpriced=unpriced,
        shapes=shapes,
        limits=_limit_lines(limits, top, len(days)),
        notes_header=notes[0],
        columns=[item.name for item in visible],
        empty_texts=[item.empty_text for item in visible],
        rows=[
            TableRow(
                day,
                [item.values[index] for item in visible],
                notes[1].get(day, ""),
                marks.get(index),
                compared[index] if comparison else None,
            )
            for index, day in enumerate(days)
        ],
        links=links,
        legend_links=legend_links,
        legend_target=legend_target,
        comparison=comparison,
        has_totals=has_totals,
        data={
            "links": list(links),
            "kind": kind,
            "unit": unit,
            "currency": currency,
            "grain": grain,
            "x": [day.isoformat() for day in days],
            "series": [
                {
                    "name": item.name,
                    "y": _numbers(item.values, marks),
                    "tone": tone,
                    "forecast": item.is_forecast,
                    "empty": item.empty_text,
                    "area": _has_area(item, visible, kind),
                }
                for tone, item in shown
            ],
            "marks": {
                str(index): {"kind": mark.kind, "text": mark.text}
                for index, mark in marks.items()
            },
            "unpriced": [
                {"at": index, "names": notes[1].get(days[index], "")}
                for index in unpriced
            ],
            "compared": {"name": comparison.label, "y": _numbers(compared)}
            if comparison
            else None,
            "limits": [
                {
                    "value": float(limit.value),
                    "tone": limit.tone,
                    "reached_at": limit.reached_at,
                }
                for limit in limits
            ],
            "ticks": [{"value": tick.value, "label": tick.label} for tick in ticks],
            "top": top,
        },
    )


def add_up(values: Sequence[Value]) -> Value:
    """Return the exact sum of the known values; None if none is known."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def is_limit_shown(limit: Decimal | int, highest: float) -> bool:
    """Return whether a limit is drawn; those too high for the chart are not."""
    return float(limit) <= max(highest, 1e-12) * _MAX_LIMIT_RATIO


def _limit_lines(
    limits: Sequence[Limit], top: float, slots: int
) -> Sequence[LimitLine]:
    return [
        LimitLine(
            _percent_from_top(float(limit.value), top),
            limit.label,
            limit.tone,
            reached_at=_percent_from_left(limit.reached_at, slots),
            reached_label=limit.reached_label,
        )
        for limit in limits
    ]


def _percent_from_left(slot: float | None, slots: int) -> float | None:
    return None if slot is None else round(100 * slot / slots, 3)


def axis(highest: float, *, unit: str, currency: str = "usd") -> list[Tick]:
    """Return about five ticks at round values, from zero to the highest value or more.

    Ticks are in the largest unit that suits the highest value, such as GiB or hours.
    """
    size, suffix = _scale(highest, unit)
    top = highest / size or 1
    exact_step = top / _AXIS_STEPS
    power = 10.0 ** floor(log10(exact_step))
    # The tolerances let a value that is a round number itself be the last tick.
    step = next(
        factor * power
        for factor in _ROUND_STEPS
        if factor * power >= exact_step * 0.9999
    )
    count = max(1, ceil(top / step - 1e-9))
    digits = _digits(step)
    prefix = ""
    if unit in {"usd", "money"}:
        prefix = CURRENCY_SYMBOLS.get(currency.lower(), f"{currency.upper()} ")
    return [
        Tick(
            position=round(100 - 100 * index / count, 3),
            label=f"{prefix}{step * index:,.{digits}f}{suffix}"
            if index
            else f"{prefix}0",
            value=step * index * size,
        )
        for index in range(count + 1)
    ]


def sparkline(values: Sequence[Value]) -> str:
    """Return the points of a sparkline, in a box of 100 by 100.

    The template tag `sparkline` and `components/sparkline.html` render them.
    """
    numbers = [float(value or 0) for value in values]
    highest = max(numbers, default=0) or 1
    last = max(1, len(numbers) - 1)
    return " ".join(
        f"{100 * index / last:.1f},{100 - 96 * number / highest:.1f}"
        for index, number in enumerate(numbers)
    )


def _highest(series: Sequence[Series], kind: Kind) -> float:
    """Return the height of the highest line, or of the highest stack of bars."""
    columns = [
        [float(value or 0) for value in column]
        for column in zip(*(item.values for item in series), strict=True)
    ]
    height = max if kind == "lines" else sum
    return max((height(column) for column in columns), default=0.0)


def _scale(highest: float, unit: str) -> tuple[float, str]:
    """Return the unit of the axis: its size, and the suffix of each label."""
    if unit == "bytes":
        power = 0
        while highest >= 1024 ** (power + 1) and power < len(_BINARY) - 1:
            power += 1
        return float(1024**power), f" {_BINARY[power]}"
    if unit == "seconds":
        if highest >= 2 * _HOUR:
            hours = highest / _HOUR
            size, suffix = _scale(hours, "count")
            return _HOUR * size, f"{suffix} h"
        return (_MINUTE, " min") if highest >= 2 * _MINUTE else (1, " s")
    power = 0
    while highest >= 1000 ** (power + 1) * 2 and power < len(_DECIMAL) - 1:
        power += 1
    return float(1000**power), _DECIMAL[power]


def _digits(step: float) -> int:
    """Return the decimals that the labels of a step need: 2.5 needs one, 50 none."""
    digits = max(0, -floor(log10(step)))
    return int(digits + (round(step * 10**digits, 6) % 1 > 0))


def _percent_from_top(value: float, top: float) -> float:
    return round(100 - 100 * value / top, 3)


def _tones(series: Sequence[Series]) -> list[int]:
    """Return the color numbers; a forecast has that of the series it continues.

    A hidden series keeps its own, so that the others keep theirs.
    """
    numbers = accumulate(int(not item.is_forecast) for item in series)
    return [max(number - 1, 0) % MAX_TONES + 1 for number in numbers]


def _has_area(item: Series, series: Sequence[Series], kind: Kind) -> bool:
    """Return whether the area below a line is filled.

    Only if the chart has a forecast; the areas of other lines would hide each other.
    """
    has_forecast = any(other.is_forecast for other in series)
    return kind == "lines" and not item.is_forecast and has_forecast


def _lines(series: Sequence[Series], top: float) -> list[Shape]:
    """Return a path per series; unknown values leave a gap in it."""
    shapes = []
    for tone, item in zip(_tones(series), series, strict=True):
        slot = BOX / max(len(item.values), 1)
        d, command = "", "M"
        for column, value in enumerate(item.values):
            if value is None:
                command = "M"
                continue
            y = BOX - BOX * float(value) / top
            d, command = f"{d}{command}{slot * (column + 0.5):.1f} {y:.1f}", "L"
        if d and _has_area(item, series, "lines"):
            shapes.append(Shape(tone, _area(d, item.values, slot), style="area"))
        shapes.append(Shape(tone, d, style="forecast" if item.is_forecast else ""))
    return shapes


def _area(line: str, values: Sequence[Value], slot: float) -> str:
    """Return the path of the area between a line without gaps and the x-axis."""
    known = [column for column, value in enumerate(values) if value is not None]
    first, last = (slot * (column + 0.5) for column in (known[0], known[-1]))
    return f"{line}L{last:.1f} {BOX}L{first:.1f} {BOX}Z"


def _x_ticks(days: Sequence[date], grain: Grain) -> list[Tick]:
    step = max(1, ceil(len(days) / _X_LABELS[grain]))
    needs_year = grain == "monthly" or len(days) > _DAYS_WITHOUT_YEAR
    return [
        Tick(
            position=round(100 * (index + 0.5) / len(days), 3),
            label=f"{day:%b %Y}" if needs_year else f"{day:%b} {day.day}",
        )
        for index, day in enumerate(days)
        if index % step == step // 2
    ]


def _numbers(
    values: Sequence[Value], marks: Mapping[int, Mark] = _NO_MARKS
) -> list[int | float | None]:
    """Return the values for JSON; None where nothing was recorded."""
    empty = {index for index, mark in marks.items() if mark.kind != "partial"}
    return [
        None
        if index in empty
        else float(value)
        if isinstance(value, Decimal)
        else value
        for index, value in enumerate(values)
    ]
