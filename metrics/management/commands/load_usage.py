import csv
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from metrics.catalog import METERS
from metrics.commands import fill_standings, make_partitions, record_usage
from metrics.events import IncomingEvent, Refused, parse_event
from orgs.management.loading import LoadCommand, Loaded, Reject, Source

_STANDINGS = 1_000  # organizations whose standing is prepared in one statement


class Command(LoadCommand):
    help = "Record usage events from NDJSON, or CSV with a column for each meter."
    batch_size = 10_000

    def handle(self, **options: Any) -> None:
        self.touched: set[int] = set()
        make_partitions()
        super().handle(**options)

    def records(self, source: Source) -> Iterator[tuple[int, bytes]]:
        lines = source.lines()
        first = next(lines, None)
        if first is None:
            return
        if first[1].lstrip().startswith((b"{", b"\xef\xbb\xbf{")):
            yield first
            yield from lines
        else:
            yield from _csv_records(first[1], source)

    def load(self, batch: Sequence[tuple[int, bytes]]) -> Loaded:
        loaded = Loaded()
        events: list[tuple[int, IncomingEvent]] = []
        for number, raw in batch:
            try:
                events.append((number, parse_event(raw)))
            except Refused as refused:
                loaded.rejects.append(Reject(number, refused.code, refused.message))
        recorded = record_usage(self.white_label, events)
        self.touched.update(recorded.organization_ids)
        loaded.accepted = recorded.accepted
        loaded.duplicates = recorded.duplicates
        loaded.rejects += [
            Reject(rejection.index, rejection.code, rejection.message)
            for rejection in recorded.rejected
        ]
        loaded.rejects.sort(key=lambda reject: reject.line)
        return loaded

    def finish(self) -> None:
        ids = sorted(self.touched)
        for start in range(0, len(ids), _STANDINGS):
            fill_standings(ids[start : start + _STANDINGS])


def _csv_records(header: bytes, source: Source) -> Iterator[tuple[int, bytes]]:
    """Rows as JSON objects: empty cells are absent, meters are gathered."""
    names = next(csv.reader([header.decode("utf-8-sig", errors="replace")]))
    reader = csv.reader(source.text())
    for row in reader:
        if row:
            yield reader.line_num + 1, orjson.dumps(_event(names, row))


def _event(names: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    event: dict[str, Any] = {"quantities": {}}
    if len(row) != len(names):
        return {"columns": f"{len(row)} cells, {len(names)} columns"}
    for name, cell in zip(names, row, strict=True):
        if not cell:
            continue
        if name in METERS:
            event["quantities"][name] = _integer(cell)
        else:
            event[name] = _integer(cell) if name.endswith("_id") else cell
    return event


def _integer(text: str) -> int | str:
    """An integer when it is one that JSON can carry; the parser refuses the rest."""
    digits = text.removeprefix("-")
    is_integer = (
        digits.isascii() and digits.isdigit() and len(digits) <= len(str(2**63))
    )
    number = int(text) if is_integer else 0
    return number if is_integer and -(2**63) <= number < 2**64 else text
