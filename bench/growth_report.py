"""Cost against size: the exponent of each line, a table, and the same as JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

GROWS = 0.15  # a larger exponent is marked: at a thousand times the size 2.8 x the cost


@dataclass(frozen=True, slots=True)
class Line:
    """What one thing costs at each size, smallest first."""

    against: str
    row: str
    unit: str
    sizes: Sequence[int]
    values: Sequence[float]

    @property
    def exponent(self) -> float | None:
        """The k of cost ~ size^k by least squares over the logarithms; of one, none."""
        xs, ys = [log(x) for x in self.sizes], [log(y) for y in self.values]
        middle, height = sum(xs) / len(xs), sum(ys) / len(ys)
        spread = sum((x - middle) ** 2 for x in xs)
        if not spread:
            return None
        both = zip(xs, ys, strict=True)
        return sum((x - middle) * (y - height) for x, y in both) / spread

    @property
    def grows(self) -> bool:
        return (self.exponent or 0.0) > GROWS


def table(lines: Sequence[Line]) -> str:
    """Lines of the same sizes, under a head that names them."""
    sizes = (f"{size:,}" for size in lines[0].sizes)
    cells = [(lines[0].against, "unit", *sizes, "k", ""), *map(_cells, lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    told = [
        "  ".join(
            cell.rjust(width) if at > 1 else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    return "\n".join([told[0], "-" * len(told[0]), *told[1:]])


def _cells(line: Line) -> tuple[str, ...]:
    values = (_number(value) for value in line.values)
    k = "-" if line.exponent is None else f"{line.exponent:+.2f}"
    return line.row, line.unit, *values, k, "GROWS" if line.grows else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"  # noqa: PLR2004


def write_json(lines: Sequence[Line], path: Path) -> None:
    path.write_text(json.dumps([_plain(line) for line in lines], indent=2) + "\n")


def _plain(line: Line) -> dict[str, Any]:
    """A list of `{against, row, unit, sizes, values, exponent, grows}`."""
    names = ("against", "row", "unit", "sizes", "values", "exponent", "grows")
    return {name: getattr(line, name) for name in names}
