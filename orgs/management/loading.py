"""The base of commands that load files: batches, progress, rejects and a summary.

Memory use does not depend on the size of the file: records are read in batches.
"""

import argparse
import contextlib
import gzip
import itertools
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from tqdm import tqdm

from orgs.errors import DomainError, InputRejected
from orgs.management.records import Layout, Record, Records, read_records
from orgs.management.rejects import Reject, Rejects
from orgs.management.sources import Source
from orgs.models import WhiteLabel
from orgs.queries.references import get_white_label


@dataclass(slots=True)
class Loaded:
    """The result of loading a batch of records: counts by outcome, and rejects."""

    counts: Counter[str] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)

    def reject(self, line: int, error: InputRejected | DomainError) -> None:
        """Add the record of a line to the rejects."""
        self.rejects.append(Reject(line, error.code, error.message))


class LoadCommand(BaseCommand):
    """The base of commands that load a file; a second run adds nothing."""

    batch_size = 1_000
    layout: ClassVar[Layout]
    outcomes: ClassVar[Sequence[str]] = ("accepted", "duplicates")
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
            help="Where to write rejected lines, which can be fixed and loaded again;"
            " default: a file in STATE_DIR/rejects. An existing file is kept.",
        )

    def handle(self, *, file: str, white_label: str, **options: Any) -> None:
        self.white_label = find_white_label(white_label)
        rejects = Rejects(options["rejects"] or self._rejects_path(file))
        counts: Counter[str] = Counter()
        is_complete = False
        with contextlib.closing(rejects):
            try:
                self._check_file(file)
                self._load_file(file, counts, rejects)
                is_complete = True
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise CommandError(f"{file}: invalid gzip data: {error}") from None
            finally:  # also what was loaded before the file was refused
                if is_complete or counts or rejects.count:
                    self._report(counts, rejects)
        if rejects.count:
            sys.exit(1)

    def _check_file(self, file: str) -> None:
        """Read a CSV file to its end, so that a broken one is refused as a whole.

        Standard input or a pipe cannot be read twice: of it, the rows before the broken
        one are loaded, in whole batches.
        """
        if file == "-" or not Path(file).is_file():
            return
        with Source(file) as source:
            records = read_records(source, self.layout)
            if records.is_csv:
                for _ in records.rows:
                    pass

    def _load_file(self, file: str, counts: Counter[str], rejects: Rejects) -> None:
        with Source(file) as source:
            records = read_records(source, self.layout)
            try:
                for loaded, batch in self._batches(records, source):
                    counts += loaded.counts
                    rows = (
                        (reject, batch[reject.line].cells())
                        for reject in loaded.rejects
                    )
                    rejects.write(records.columns, rows)
            finally:
                self.finish()

    def _report(self, counts: Counter[str], rejects: Rejects) -> None:
        summary = [f"{name} {counts[name]}" for name in self.outcomes]
        self.stdout.write(" ".join([*summary, f"rejected {rejects.count}"]))
        if rejects.count:
            for line in rejects.summary():
                self.stderr.write(line)
            self.stderr.write(
                f"Rejected lines are in {rejects.path}; fix them and load that file."
            )

    def _batches(
        self, records: Records, source: Source
    ) -> Iterator[tuple[Loaded, dict[int, Record]]]:
        """Load the records in batches; yield each result, and its records by line."""
        with tqdm(
            total=source.size,
            unit="B",
            unit_scale=True,
            disable=None,  # only on a terminal
            file=sys.stderr,
        ) as bar:
            for batch in _in_batches(records.rows, self.batch_size):
                yield self._load(batch), {record.line: record for record in batch}
                bar.update(source.position() - bar.n)

    def _load(self, batch: Sequence[Record]) -> Loaded:
        readable = []
        unreadable = []
        for record in batch:
            if isinstance(record.content, InputRejected):
                unreadable.append((record.line, record.content))
            else:
                readable.append((record.line, record.content))
        loaded = self.load(readable)
        for line, error in unreadable:
            loaded.reject(line, error)
        loaded.rejects.sort(key=lambda reject: reject.line)
        return loaded

    def _rejects_path(self, file: str) -> Path:
        name = "stdin" if file == "-" else Path(file).name
        folder: Path = settings.STATE_DIR
        return folder / "rejects" / f"{name}.rejects.csv"

    def load(self, batch: Sequence[tuple[int, Any]]) -> Loaded:
        """Load records, each with its line: bytes of NDJSON, or a row by column."""
        raise NotImplementedError

    def finish(self) -> None:
        """Run after the last batch, and also if the load fails."""


def _in_batches(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
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
