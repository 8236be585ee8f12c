"""The base of commands that load files: batches, progress, rejects and a summary.

Memory use does not depend on the size of the file: lines are read in batches.
"""

import argparse
import contextlib
import csv
import gzip
import io
import itertools
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self, TextIO, TypeVar, cast

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from tqdm import tqdm

from orgs.errors import DomainError
from orgs.models import WhiteLabel
from orgs.queries.references import get_white_label

LINE_BYTES = 1_000_000  # a longer line is rejected and not kept in memory
TOO_LONG = b""  # the value for such a line
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"

NumberedLine = tuple[int, bytes]
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Reject:
    """The reason why a line was not loaded."""

    line: int
    code: str
    message: str


@dataclass(slots=True)
class Loaded:
    """The result of loading a batch of lines."""

    accepted: int = 0
    duplicates: int = 0
    rejects: list[Reject] = field(default_factory=list)


class Source:
    """A file or standard input, gzip-compressed or not, and its reading position."""

    def __init__(self, path: str) -> None:
        self._file = None if path == "-" else _open(Path(path))
        self.size = Path(path).stat().st_size if self._file else None
        reader = self._file or cast("io.BufferedReader", sys.stdin.buffer)
        is_gzip = reader.peek(2)[:2] == _GZIP
        self.stream = gzip.GzipFile(fileobj=reader) if is_gzip else reader

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def position(self) -> int:
        """Return the number of bytes read from the file, compressed or not."""
        return self._file.raw.tell() if self._file else 0

    def lines(self) -> Iterator[NumberedLine]:
        """Yield the lines that are not blank, with their numbers.

        A line that is longer than `LINE_BYTES` is yielded as `TOO_LONG`.
        """
        for number in itertools.count(1):
            line = self.stream.readline(LINE_BYTES + 1)
            if not line:
                return
            if number == 1:
                line = line.removeprefix(_BOM)
            if len(line) > LINE_BYTES:
                self._skip_rest(line)
                yield number, TOO_LONG
            elif line.strip():
                yield number, line

    def text(self) -> TextIO:
        """Return the rest as text for a CSV reader; invalid UTF-8 becomes U+FFFD."""
        self._text = io.TextIOWrapper(
            self.stream, "utf-8-sig", errors="replace", newline=""
        )
        return self._text  # kept: a wrapper without references closes the file

    def _skip_rest(self, line: bytes) -> None:
        while line and not line.endswith(b"\n"):
            line = self.stream.readline(LINE_BYTES)


def _open(path: Path) -> io.BufferedReader:
    try:
        return io.BufferedReader(io.FileIO(path), 1 << 20)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None


class Rejects:
    """The CSV file of rejected lines and reasons; there is none if all were loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: IO[str] | None = None
        path.unlink(missing_ok=True)

    def write(self, rejects: Iterable[Reject]) -> None:
        for reject in rejects:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("w", newline="", encoding="utf-8")
                csv.writer(self._file).writerow(["line", "code", "message"])
            row = [reject.line, reject.code, reject.message]
            csv.writer(self._file).writerow(row)
            self.count += 1

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class LoadCommand(BaseCommand):
    """The base of commands that load a file; a second run adds nothing."""

    batch_size = 1_000
    white_label: WhiteLabel

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "file",
            help="The file to load, or - for standard input; may be gzip-compressed.",
        )
        parser.add_argument(
            "--white-label",
            required=True,
            metavar="SLUG",
            help="The white label to load into.",
        )
        parser.add_argument(
            "--rejects",
            type=Path,
            metavar="PATH",
            help="Where to list rejected lines; default: a file in STATE_DIR/rejects.",
        )

    def handle(self, *, file: str, white_label: str, **options: Any) -> None:
        self.white_label = find_white_label(white_label)
        rejects = Rejects(options["rejects"] or self._rejects_path(file))
        total = Loaded()
        with Source(file) as source, contextlib.closing(rejects):
            try:
                for loaded in self._batches(source):
                    total.accepted += loaded.accepted
                    total.duplicates += loaded.duplicates
                    rejects.write(loaded.rejects)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise CommandError(f"{file}: invalid gzip data: {error}") from None
            finally:
                self.finish()
        self._report(total, rejects)

    def _report(self, total: Loaded, rejects: Rejects) -> None:
        self.stdout.write(
            f"accepted {total.accepted} duplicates {total.duplicates}"
            f" rejected {rejects.count}"
        )
        if rejects.count:
            self.stderr.write(f"Rejected lines are listed in {rejects.path}")
            sys.exit(1)

    def _batches(self, source: Source) -> Iterator[Loaded]:
        with tqdm(
            total=source.size,
            unit="B",
            unit_scale=True,
            disable=None,  # only on a terminal
            file=sys.stderr,
        ) as bar:
            for batch in _in_batches(self.records(source), self.batch_size):
                yield self._load(batch)
                bar.update(source.position() - bar.n)

    def _load(self, batch: Sequence[tuple[int, Any]]) -> Loaded:
        loaded = self.load([record for record in batch if record[1] != TOO_LONG])
        message = f"The line is longer than {LINE_BYTES:,} bytes."
        loaded.rejects += [
            Reject(number, "line_too_long", message)
            for number, line in batch
            if line == TOO_LONG
        ]
        loaded.rejects.sort(key=lambda reject: reject.line)
        return loaded

    def _rejects_path(self, file: str) -> Path:
        name = "stdin" if file == "-" else Path(file).name
        folder: Path = settings.STATE_DIR
        return folder / "rejects" / f"{name}.rejects.csv"

    def records(self, source: Source) -> Iterator[tuple[int, Any]]:
        """Yield records with their line numbers; subclasses may parse the lines."""
        return source.lines()

    def load(self, batch: Sequence[tuple[int, Any]]) -> Loaded:
        raise NotImplementedError

    def finish(self) -> None:
        """Run after the last batch, and also if the load fails."""


def csv_rows(reader: Iterator[Row], broken: Row) -> Iterator[Row]:
    """Yield the rows of a CSV reader; `broken` for each that it cannot parse."""
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield broken


def _in_batches(
    records: Iterable[tuple[int, Any]], size: int
) -> Iterator[list[tuple[int, Any]]]:
    iterator = iter(records)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def find_white_label(slug: str) -> WhiteLabel:
    try:
        return get_white_label(slug)
    except WhiteLabel.DoesNotExist:
        raise CommandError(
            f"White label {slug!r} not found. Create it with create_white_label."
        ) from None


def command_error(error: DomainError) -> CommandError:
    return CommandError(f"{error.message} ({error.code})")
