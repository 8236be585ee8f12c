"""The content of a file: its rows as CSV, read a part at a time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from billing.exports.queries.downloads import Download
from billing.exports.queries.tables import Row, Selection, Table, chunks
from orgs.schemas.csv import csv_parts

MAX_ROWS = 50_000  # of a file that is sent at once; a larger one is an export
ROWS_AT_ONCE = 1_000


class Counted:
    """Rows that are counted while they are read."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            yield row


@dataclass(frozen=True)
class Content:
    """A file in parts; the count of its rows is complete once all parts were read."""

    rows: Counted
    parts: Iterator[bytes]


def read_content(download: Download) -> Content | None:
    """Return the file, or None if it has more than `MAX_ROWS` rows.

    Memory stays bounded, whatever the table.
    """
    table, selection = download.table, download.selection
    if table.keys is not None:
        keys = list(table.keys(selection, MAX_ROWS + 1))
        if len(keys) > MAX_ROWS:
            return None
        return _stream(download, read_rows(table, selection, keys))
    if table.count and table.count(selection, MAX_ROWS + 1) > MAX_ROWS:
        return None
    if table.pages is not None:
        pages = table.pages(selection, "")
        return _stream(download, (row for page in pages for row in page.rows))
    return _compute(download)


def read_rows(table: Table, selection: Selection, keys: Sequence[int]) -> Iterator[Row]:
    """Yield the rows of these keys, a thousand at a time."""
    for some_keys in chunks(keys, ROWS_AT_ONCE):
        yield from table.rows(selection, some_keys)


def _stream(download: Download, rows: Iterable[Row]) -> Content:
    counted = Counted(rows)
    return Content(counted, _encode(download, counted))


def _compute(download: Download) -> Content | None:
    """Encode a computed file first, because only its end says how many rows it has."""
    counted = Counted(download.table.rows(download.selection, ()))
    parts = []
    for part in _encode(download, counted):
        if counted.count > MAX_ROWS:
            return None
        parts.append(part)
    return Content(counted, iter(parts))


def _encode(download: Download, rows: Iterable[Row]) -> Iterator[bytes]:
    columns, for_excel = download.table.columns, download.for_excel
    for part in csv_parts(columns, rows, for_excel=for_excel):
        yield part.encode()
