"""The results: rows, a table of them, and the same as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_HEAD = ("row", "Orgdesk", "peer", "unit", "ratio", "target", "goal", "status")


@dataclass(frozen=True, slots=True)
class Row:
    """A comparison. A higher `ratio` is better; None means that nothing was served.

    The ratio of "within N x" is N / measured, and its target is 1. The target must be
    reached; the goal is what we would like to reach.
    """

    row: str
    orgdesk: float | None
    peer: float | None
    unit: str
    ratio: float | None
    target: float
    goal: float

    @property
    def status(self) -> str:
        if self.ratio is None:
            return "not served"
        if self.ratio < self.target:
            return "MISSED"
        return "goal" if self.ratio >= self.goal else "ok"


def not_served(row: str, unit: str, *, target: float, goal: float) -> Row:
    return Row(row, None, None, unit, None, target, goal)


def table(rows: Sequence[Row]) -> str:
    cells = [_HEAD, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if column in {0, 3} else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _cells(row: Row) -> tuple[str, ...]:
    numbers = map(_number, (row.orgdesk, row.peer))
    bounds = (f"{bound:g}" for bound in (row.target, row.goal))
    ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
    return row.row, *numbers, row.unit, ratio, *bounds, row.status


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"  # noqa: PLR2004


def write_json(rows: Sequence[Row], path: Path) -> None:
    path.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
