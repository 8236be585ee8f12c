"""A chart as data: the first picture, Plotly's numbers, and the table of the same.

Pure: values in, values out. The picture needs no script; its shapes live in a box of
1000 by 1000 that the page stretches, words stay outside of it and keep their size.
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
_STEPS = 5
_NICE = (1, 2, 2.5, 5, 10)
_ROUND_HEADROOM = 1.02
_LABEL_HEIGHT = 10  # per cent: two words in less would stand on each other
# A limit this many times above the highest value would flatten everything else.
_LIMIT_REACH = 3
_LONG = 370  # days; from there on their labels need the year
_X_LABELS = {"daily": 6, "monthly": 4}
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_DECIMAL = ("", "k", "M", "B", "T")
_MINUTE, _HOUR = 60, 3600


@dataclass(frozen=True)
class Series:
    """One line or one colour of the bars; the total is exact, the picture is not."""

    name: str
    values: Sequence[Value]
    is_level: bool = False  # a height, as of storage: its last value, never a sum
    is_ahead: bool = False  # of lines: what is expected, not what was

    @property
    def total(self) -> int | float | Decimal:
        if self.is_level:
            return next((v for v in reversed(self.values) if v is not None), 0)
        return sum(value for value in self.values if value is not None)


@dataclass(frozen=True)
class Limit:
    """A height not to be crossed; `seen_at` is where on the days it is, in slots."""

    value: Decimal | int
    label: str
    tone: Tone = "warn"
    seen_at: float | None = None
    met: str = ""  # what stands there


@dataclass(frozen=True)
class Tick:
    """Where, in per cent, and what is written there."""

    at: float
    label: str
    value: float = 0


@dataclass(frozen=True)
class LimitLine:
    """A limit's line: how far down and, if it is met, how far right, in per cent."""

    at: float
    label: str
    tone: Tone
    is_label_last: bool = False  # at the right: another one's is too close
    seen_at: float | None = None
    met: str = ""


@dataclass(frozen=True)
class Shape:
    tone: int
    d: str
    is_partial: bool = False
    style: str = ""  # of lines: "ahead", or "area" for what is below one


@dataclass(frozen=True)
class Entry:
    """A line of the legend."""

    tone: int
    name: str
    total: int | float | Decimal
    is_ahead: bool = False


@dataclass(frozen=True)
class Row:
    day: date
    cells: Sequence[Value]
    note: str = ""


@dataclass(frozen=True)
class Chart:
    """What `components/chart.html` reads."""

    id: str
    title: str
    caption: str
    kind: Kind
    unit: str
    currency: str
    grain: Grain
    legend: Sequence[Entry]
    y_ticks: Sequence[Tick]
    x_ticks: Sequence[Tick]
    shapes: Sequence[Shape]
    limits: Sequence[LimitLine]
    notes: str  # the head of a column of words, if there is one
    columns: Sequence[str]
    rows: Sequence[Row]
    data: dict[str, Any]


def draw(
    *,
    id: str,  # noqa: A002  it is the element's id
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
) -> Chart:
    """Compose the chart; of at most five series, so fold the small ones before.

    `notes` are a column of words in the table: its head, and what it says of days.
    """
    highest = _highest(series, kind)
    limits = [one for one in limits if within_reach(one.value, highest)]
    lines = (float(one.value) * _ROUND_HEADROOM for one in limits)
    ceiling = max(highest, *lines, 0)
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
            Entry(tone, one.name, one.total, one.is_ahead)
            for tone, one in zip(_tones(series), series, strict=True)
        ],
        y_ticks=ticks,
        x_ticks=_x_ticks(days, grain),
        shapes=shapes,
        limits=_limit_lines(limits, top, len(days)),
        notes=notes[0],
        columns=[one.name for one in series],
        rows=[
            Row(day, [one.values[index] for one in series], notes[1].get(day, ""))
            for index, day in enumerate(days)
        ],
        data={
            "kind": kind,
            "unit": unit,
            "currency": currency,
            "grain": grain,
            "x": [day.isoformat() for day in days],
            "series": [
                {
                    "name": one.name,
                    "y": _numbers(one.values),
                    "tone": tone,
                    "ahead": one.is_ahead,
                    "area": _has_area(one, series, kind),
                }
                for tone, one in zip(_tones(series), series, strict=True)
            ],
            "partial_from": partial_from,
            "limits": [
                {
                    "value": float(one.value),
                    "label": one.label,
                    "tone": one.tone,
                    "seen_at": one.seen_at,
                    "met": one.met,
                }
                for one in limits
            ],
            "ticks": [{"value": tick.value, "label": tick.label} for tick in ticks],
            "top": top,
        },
    )


def within_reach(limit: Decimal | int, highest: float) -> bool:
    """Whether the picture has room for a limit; the caption speaks of the others."""
    return float(limit) <= max(highest, 1e-12) * _LIMIT_REACH


def _limit_lines(
    limits: Sequence[Limit], top: float, slots: int
) -> Sequence[LimitLine]:
    found: list[LimitLine] = []
    for one in limits:
        at = _percent_down(float(one.value), top)
        is_close = any(abs(other.at - at) < _LABEL_HEIGHT for other in found)
        seen_at = None if one.seen_at is None else round(100 * one.seen_at / slots, 3)
        found.append(LimitLine(at, one.label, one.tone, is_close, seen_at, one.met))
    return found


def axis(highest: float, *, unit: str, currency: str = "usd") -> list[Tick]:
    """Round ticks from zero to at or above the highest value, five steps or so."""
    size, suffix = _scale(highest, unit)
    top = highest / size or 1
    raw = top / _STEPS
    power = 10.0 ** floor(log10(raw))
    step = next(nice * power for nice in _NICE if nice * power >= raw * 0.9999)
    count = max(1, ceil(top / step - 1e-9))
    digits = _digits(step)
    before = ""
    if unit in {"usd", "money"}:
        before = CURRENCY_SYMBOLS.get(currency.lower(), f"{currency.upper()} ")
    return [
        Tick(
            at=round(100 - 100 * index / count, 3),
            label=f"{before}{step * index:,.{digits}f}{suffix}"
            if index
            else f"{before}0",
            value=step * index * size,
        )
        for index in range(count + 1)
    ]


def sparkline(values: Sequence[Value]) -> str:
    """An SVG points list in a box of 100 by 100 for `components/sparkline.html`."""
    numbers = [float(value or 0) for value in values]
    highest = max(numbers, default=0) or 1
    last = max(1, len(numbers) - 1)
    return " ".join(
        f"{100 * index / last:.1f},{100 - 96 * number / highest:.1f}"
        for index, number in enumerate(numbers)
    )


def _highest(series: Sequence[Series], kind: Kind) -> float:
    columns = [
        [float(value or 0) for value in column]
        for column in zip(*(one.values for one in series), strict=True)
    ]
    fold = max if kind == "lines" else sum
    return max((fold(column) for column in columns), default=0.0)


def _scale(highest: float, unit: str) -> tuple[float, str]:
    """The axis' own unit: its size and what stands behind each number."""
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
    """Decimals that tell neighbouring ticks apart: 2.5 needs one, 50 none."""
    digits = max(0, -floor(log10(step)))
    return int(digits + (round(step * 10**digits, 6) % 1 > 0))


def _percent_down(value: float, top: float) -> float:
    return round(100 - 100 * value / top, 3)


def _bars(
    series: Sequence[Series], top: float, partial_from: int | None
) -> list[Shape]:
    """One path per series, and one more for its unfinished days."""
    columns = len(series[0].values) if series else 0
    slot = _BOX / max(columns, 1)
    floors = [0.0] * columns
    shapes = []
    for index, one in enumerate(series):
        whole: list[str] = []
        partial: list[str] = []
        for column, value in enumerate(one.values):
            height = _BOX * float(value or 0) / top
            if height <= 0:
                continue
            floors[column] += height
            piece = (
                f"M{slot * (column + 0.14):.1f} {_BOX - floors[column]:.1f}"
                f"h{slot * 0.72:.1f}v{height:.1f}h-{slot * 0.72:.1f}z"
            )
            is_partial = partial_from is not None and column >= partial_from
            (partial if is_partial else whole).append(piece)
        tone = index % TONES + 1
        shapes += [
            Shape(tone, "".join(pieces), is_partial)
            for pieces, is_partial in ((whole, False), (partial, True))
            if pieces
        ]
    return shapes


def _tones(series: Sequence[Series]) -> list[int]:
    """What is expected has the colour of what was, which it goes on from."""
    return [
        max(1, sum(not one.is_ahead for one in series[: index + 1]))
        for index in range(len(series))
    ]


def _has_area(one: Series, series: Sequence[Series], kind: Kind) -> bool:
    """What was, beside what is expected; several lines would hide each other."""
    return kind == "lines" and not one.is_ahead and any(o.is_ahead for o in series)


def _lines(series: Sequence[Series], top: float) -> list[Shape]:
    """A gap stays a gap: what is not known is not drawn through."""
    shapes = []
    for tone, one in zip(_tones(series), series, strict=True):
        slot = _BOX / max(len(one.values), 1)
        d, pen = "", "M"
        for column, value in enumerate(one.values):
            if value is None:
                pen = "M"
                continue
            y = _BOX - _BOX * float(value) / top
            d, pen = f"{d}{pen}{slot * (column + 0.5):.1f} {y:.1f}", "L"
        if d and _has_area(one, series, "lines"):
            shapes.append(Shape(tone, _area(d, one.values, slot), style="area"))
        shapes.append(Shape(tone, d, style="ahead" if one.is_ahead else ""))
    return shapes


def _area(line: str, values: Sequence[Value], slot: float) -> str:
    """Down to the axis and back, below a line without gaps."""
    known = [column for column, value in enumerate(values) if value is not None]
    first, last = (slot * (column + 0.5) for column in (known[0], known[-1]))
    return f"{line}L{last:.1f} {_BOX}L{first:.1f} {_BOX}Z"


def _x_ticks(days: Sequence[date], grain: Grain) -> list[Tick]:
    step = max(1, ceil(len(days) / _X_LABELS[grain]))
    needs_year = grain == "monthly" or len(days) > _LONG
    return [
        Tick(
            at=round(100 * (index + 0.5) / len(days), 3),
            label=f"{day:%b %Y}" if needs_year else f"{day:%b} {day.day}",
        )
        for index, day in enumerate(days)
        if index % step == step // 2
    ]


def _numbers(values: Sequence[Value]) -> list[int | float | None]:
    return [float(value) if isinstance(value, Decimal) else value for value in values]
