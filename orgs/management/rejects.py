"""The file of rejected lines: why, and the line, so that it can be fixed and loaded."""

import csv
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# The first columns of every such file; the columns of the loaded file follow.
REASON_COLUMNS = ("line", "code", "message")
ORIGINAL = "original"  # the column of a line that is not CSV
_COMMONEST = 3


@dataclass(frozen=True, slots=True)
class Reject:
    """The reason why a line was not loaded."""

    line: int
    code: str
    message: str


class Rejects:
    """The CSV file of rejected lines; there is none if all lines were loaded.

    It is loaded like the file that the lines are from: the columns of the reasons are
    ignored. A file that exists is never overwritten; the next free name is used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._reasons: Counter[str] = Counter()
        self._examples: dict[str, Reject] = {}
        self._file: IO[str] | None = None

    def write(
        self, columns: Sequence[str], rows: Iterable[tuple[Reject, Sequence[str]]]
    ) -> None:
        """Append rejects with their cells, which `columns` name.

        Bytes that are no UTF-8 are written as they were read.
        """
        for reject, cells in rows:
            if self._file is None:
                self._file = self._create()
                csv.writer(self._file).writerow([*REASON_COLUMNS, *columns])
            reason = [reject.line, reject.code, reject.message]
            csv.writer(self._file).writerow([*reason, *cells])
            self._reasons[reject.code] += 1
            self._examples.setdefault(reject.code, reject)
            self.count += 1

    def summary(self) -> Iterator[str]:
        """Yield a line for each of the commonest reasons, with its first example."""
        for code, count in self._reasons.most_common(_COMMONEST):
            example = self._examples[code]
            yield f"{count} {code}, first in line {example.line}: {example.message}"

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _create(self) -> IO[str]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        name = self.path.name
        for number in itertools.count(2):
            try:
                return self.path.open(
                    "x", newline="", encoding="utf-8", errors="surrogateescape"
                )
            except FileExistsError:
                self.path = self.path.with_name(_numbered(name, number))
        raise AssertionError("unreachable")


def _numbered(name: str, number: int) -> str:
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}-{number}{dot}{suffix}" if stem else f"{name}-{number}"
