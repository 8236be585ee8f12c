"""Charts as data: an SVG picture, the numbers for Plotly, and a table of the same.

Pure functions of values. The SVG needs no script. Its shapes are drawn in a box of 1000
by 1000 that the page stretches; text is outside the box and keeps its size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import ceil, floor, log10
from typing import Any, Literal

Kind = Literal["bars", "lines"]
Tone = Literal["warn", "bad"]
Grain = Literal["daily", "monthly"]
Value = int | float | Decimal | None

CURRENCY_SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "inr": "₹"}
TONES = 5
_BOX = 1000
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
class Shape:
    """A path of the SVG picture; `d` are its drawing commands."""

    tone: int
    d: str
    is_partial: bool = False
    style: str = ""  # "forecast" for a dotted line, "area" for the area below a line


@dataclass(frozen=True)
class LegendEntry:
    """A series in the legend."""

    tone: int
    name: str
    total: Value
    is_forecast: bool = False
    empty_text: str = ""


@dataclass(frozen=True)
class TableRow:
    """A bucket of the table, with a cell for each series."""

    day: date
    cells: Sequence[Value]
    note: str = ""


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
    partial_from: int | None
    shapes: Sequence[Shape]
    limits: Sequence[LimitLine]
    notes_header: str  # of the table's column of notes; empty if it has none
    columns: Sequence[str]
    empty_texts: Sequence[str]  # of unknown values, by column
    rows: Sequence[TableRow]
    data: dict[str, Any]
    links: Sequence[str] = ()  # of the buckets: where their values come from


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
    partial_from: int | None = None,
    notes: tuple[str, Mapping[date, str]] = ("", {}),
    links: Sequence[str] = (),
) -> Chart:
    """Return a chart of at most five series; callers add up smaller ones first.

    `partial_from` is the index of the first bucket that is not complete. `notes` is an
    additional column of the table: its header, and its text by day.
    """
    highest = _highest(series, kind)
    limits = [limit for limit in limits if is_limit_shown(limit.value, highest)]
    limit_heights = (float(limit.value) * _LIMIT_HEADROOM for limit in limits)
    ceiling = max(highest, *limit_heights, 0)
    ticks = axis(ceiling, unit=unit, currency=currency)
    top = ticks[-1].value
    shapes = (
        _lines(series, top) if kind == "lines" else _bars(series, top, partial_from)
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
            LegendEntry(tone, item.name, item.total, item.is_forecast, item.empty_text)
            for tone, item in zip(_tones(series), series, strict=True)
        ],
        y_ticks=ticks,
        x_ticks=_x_ticks(days, grain),
        partial_from=partial_from,
        shapes=shapes,
        limits=_limit_lines(limits, top, len(days)),
        notes_header=notes[0],
        columns=[item.name for item in series],
        empty_texts=[item.empty_text for item in series],
        rows=[
            TableRow(
                day, [item.values[index] for item in series], notes[1].get(day, "")
            )
            for index, day in enumerate(days)
        ],
        links=links,
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
                    "y": _numbers(item.values),
                    "tone": tone,
                    "forecast": item.is_forecast,
                    "empty": item.empty_text,
                    "area": _has_area(item, series, kind),
                }
                for tone, item in zip(_tones(series), series, strict=True)
            ],
            "partial_from": partial_from,
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


def _bars(
    series: Sequence[Series], top: float, partial_from: int | None
) -> list[Shape]:
    """Return the bars, stacked: a path per series, and one for its partial buckets."""
    columns = len(series[0].values) if series else 0
    slot = _BOX / max(columns, 1)
    floors = [0.0] * columns
    shapes = []
    for index, item in enumerate(series):
        complete_bars: list[str] = []
        partial_bars: list[str] = []
        for column, value in enumerate(item.values):
            height = _BOX * float(value or 0) / top
            if height <= 0:
                continue
            floors[column] += height
            bar = (
                f"M{slot * (column + 0.14):.1f} {_BOX - floors[column]:.1f}"
                f"h{slot * 0.72:.1f}v{height:.1f}h-{slot * 0.72:.1f}z"
            )
            is_partial = partial_from is not None and column >= partial_from
            (partial_bars if is_partial else complete_bars).append(bar)
        tone = index % TONES + 1
        shapes += [
            Shape(tone, "".join(bars), is_partial)
            for bars, is_partial in ((complete_bars, False), (partial_bars, True))
            if bars
        ]
    return shapes


def _tones(series: Sequence[Series]) -> list[int]:
    """Return the color numbers; a forecast has that of the series it continues."""
    return [
        max(1, sum(not item.is_forecast for item in series[: index + 1]))
        for index in range(len(series))
    ]


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
        slot = _BOX / max(len(item.values), 1)
        d, command = "", "M"
        for column, value in enumerate(item.values):
            if value is None:
                command = "M"
                continue
            y = _BOX - _BOX * float(value) / top
            d, command = f"{d}{command}{slot * (column + 0.5):.1f} {y:.1f}", "L"
        if d and _has_area(item, series, "lines"):
            shapes.append(Shape(tone, _area(d, item.values, slot), style="area"))
        shapes.append(Shape(tone, d, style="forecast" if item.is_forecast else ""))
    return shapes


def _area(line: str, values: Sequence[Value], slot: float) -> str:
    """Return the path of the area between a line without gaps and the x-axis."""
    known = [column for column, value in enumerate(values) if value is not None]
    first, last = (slot * (column + 0.5) for column in (known[0], known[-1]))
    return f"{line}L{last:.1f} {_BOX}L{first:.1f} {_BOX}Z"


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


def _numbers(values: Sequence[Value]) -> list[int | float | None]:
    return [float(value) if isinstance(value, Decimal) else value for value in values]
