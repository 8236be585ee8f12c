"""The bars of a chart's SVG picture: paths in a box of 1000 by 1000."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

Value = int | float | Decimal | None

BOX = 1000
_GAP = 0.14  # on each side of a bar, of the width of its bucket
_OUTLINE_GAP = 0.05  # outlines are wider than bars, so that none covers the other


@dataclass(frozen=True)
class Shape:
    """A path of the SVG picture; `d` are its drawing commands."""

    tone: int
    d: str
    is_partial: bool = False
    # "forecast" for a dotted line, "area" for the area below a line, "previous" for
    # the outlines of the range before
    style: str = ""


def stacked_bars(
    values: Sequence[tuple[int, Sequence[Value]]],
    top: float,
    partial: Collection[int] = (),
) -> list[Shape]:
    """Return the bars, stacked: a path per series, and one for its partial buckets.

    `values` are those of each series with the number of its color, `top` is the value
    at the upper edge of the picture.
    """
    columns = len(values[0][1]) if values else 0
    slot = BOX / max(columns, 1)
    floors = [0.0] * columns
    shapes = []
    for tone, row in values:
        complete_bars: list[str] = []
        partial_bars: list[str] = []
        for column, value in enumerate(row):
            height = BOX * float(value or 0) / top
            if height <= 0:
                continue
            floors[column] += height
            bar = _bar(slot, column, _GAP, BOX - floors[column], height)
            (partial_bars if column in partial else complete_bars).append(bar)
        shapes += [
            Shape(tone, "".join(bars), is_partial)
            for bars, is_partial in ((complete_bars, False), (partial_bars, True))
            if bars
        ]
    return shapes


def _bar(slot: float, column: int, gap: float, y: float, height: float) -> str:
    width = slot * (1 - 2 * gap)
    left = slot * (column + gap)
    return f"M{left:.1f} {y:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}z"


def outlines(values: Sequence[Value], top: float) -> Iterator[Shape]:
    """Yield the outlines of the range before; there is none where nothing was used."""
    slot = BOX / max(len(values), 1)
    heights = [BOX * float(value or 0) / top for value in values]
    d = "".join(
        _bar(slot, column, _OUTLINE_GAP, BOX - height, height)
        for column, height in enumerate(heights)
        if height > 0
    )
    if d:
        yield Shape(0, d, style="previous")
