"""Cost against size: the exponent of each line, as a table and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

GROWS = 0.15  # a larger exponent is marked: 1,000 x the size costs more than 2.8 x


@dataclass(frozen=True, slots=True)
class Line:
    """The cost of one operation at each size, smallest size first."""

    dimension: str  # what the sizes count
    row: str
    unit: str
    sizes: Sequence[int]
    values: Sequence[float]

    @property
    def exponent(self) -> float | None:
        """The k of cost ~ size^k, by least squares of logarithms; None for one size."""
        xs, ys = [log(x) for x in self.sizes], [log(y) for y in self.values]
        mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
        spread = sum((x - mean_x) ** 2 for x in xs)
        if not spread:
            return None
        points = zip(xs, ys, strict=True)
        return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread

    @property
    def grows(self) -> bool:
        return (self.exponent or 0.0) > GROWS


def table(lines: Sequence[Line]) -> str:
    """Return a table of lines of the same sizes, under a header that names them."""
    sizes = (f"{size:,}" for size in lines[0].sizes)
    cells = [(lines[0].dimension, "unit", *sizes, "k", ""), *map(_cells, lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    padded = [
        "  ".join(
            cell.rjust(width) if column > 1 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    return "\n".join([padded[0], "-" * len(padded[0]), *padded[1:]])


def _cells(line: Line) -> tuple[str, ...]:
    values = (_number(value) for value in line.values)
    k = "-" if line.exponent is None else f"{line.exponent:+.2f}"
    return line.row, line.unit, *values, k, "GROWS" if line.grows else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"  # noqa: PLR2004


def write_json(lines: Sequence[Line], path: Path) -> None:
    path.write_text(json.dumps([_as_dict(line) for line in lines], indent=2) + "\n")


def _as_dict(line: Line) -> dict[str, Any]:
    """Return the fields and properties of a line under their names."""
    names = ("dimension", "row", "unit", "sizes", "values", "exponent", "grows")
    return {name: getattr(line, name) for name in names}
