"""`load_usage`: record usage events from an NDJSON or CSV file."""

import csv
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from django.core.management import CommandError

from metrics.catalog import METERS
from metrics.commands.partitions import make_partitions
from metrics.commands.record import record_usage
from metrics.commands.roll_up import roll_up_usage
from metrics.events import IncomingEvent, InputRejected, parse_event
from orgs.management.loading import LoadCommand, Loaded, Reject, Source, csv_rows

_REQUIRED = {"id", "timestamp", "product"}  # columns, in CSV


class Command(LoadCommand):
    help = "Record usage events from NDJSON, or from CSV with one column per meter."
    batch_size = 10_000

    def handle(self, **options: Any) -> None:
        make_partitions()
        super().handle(**options)

    def records(self, source: Source) -> Iterator[tuple[int, bytes | InputRejected]]:
        lines = source.lines()
        first = next(lines, None)
        if first is None:
            return
        if names := _csv_header(first[1]):
            yield from _csv_records(names, source, header_line=first[0])
        else:
            yield first
            yield from lines

    def load(self, batch: Sequence[tuple[int, bytes | InputRejected]]) -> Loaded:
        loaded = Loaded()
        events: list[tuple[int, IncomingEvent]] = []
        for number, raw in batch:
            try:
                events.append((number, _parse(raw)))
            except InputRejected as error:
                loaded.rejects.append(Reject(number, error.code, error.message))
        recorded = record_usage(self.white_label, events)
        loaded.accepted = recorded.accepted
        loaded.duplicates = recorded.duplicates
        loaded.rejects += [
            Reject(rejection.index, rejection.code, rejection.message)
            for rejection in recorded.rejected
        ]
        return loaded

    def finish(self) -> None:
        roll_up_usage()


def _parse(raw: bytes | InputRejected) -> IncomingEvent:
    if isinstance(raw, InputRejected):
        raise raw
    return parse_event(raw)


def _csv_header(line: bytes) -> list[str]:
    """Return the columns of a CSV header, or nothing if the line is not one."""
    if line.lstrip()[:1] in b"{[":
        return []
    names = next(csv_rows(csv.reader([line.decode(errors="replace")]), []))
    if not set(names) & _REQUIRED:
        return []
    if not set(names) >= _REQUIRED:
        raise CommandError(
            "The first line must name the columns id, timestamp, and product."
        )
    return names


def _csv_records(
    names: Sequence[str], source: Source, *, header_line: int
) -> Iterator[tuple[int, bytes | InputRejected]]:
    """Yield each row as a JSON object without its empty cells."""
    reader = csv.reader(source.text())
    for row in csv_rows(reader, ["broken"]):
        if row:
            number = header_line + reader.line_num
            yield number, _record(names, row)


def _record(names: Sequence[str], row: Sequence[str]) -> bytes | InputRejected:
    if len(row) != len(names):
        message = f"The row has {len(row)} cells; the header has {len(names)} columns."
        return InputRejected("unknown_field", message)
    return orjson.dumps(_event(names, row))


def _event(names: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    event: dict[str, Any] = {"quantities": {}}
    for name, cell in zip(names, row, strict=True):
        if not cell:
            continue
        if name in METERS:
            event["quantities"][name] = _integer(cell)
        else:
            event[name] = _integer(cell) if name.endswith("_id") else cell
    return event


def _integer(text: str) -> int | str:
    """Return an integer if the parser can read it, or else the text for its error."""
    digits = text.removeprefix("-")
    is_integer = (
        digits.isascii() and digits.isdigit() and len(digits) <= len(str(2**63))
    )
    number = int(text) if is_integer else 0
    return number if is_integer and -(2**63) <= number < 2**64 else text
