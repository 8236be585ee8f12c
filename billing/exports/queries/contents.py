"""The content of a file: its rows as CSV, read a part at a time."""

from collections.abc import Iterator, Sequence

from billing.exports.queries.tables import Row, Selection, Table, chunks
from orgs.schemas.csv import csv_parts

ROWS_AT_ONCE = 1_000
_ALL = 2**62


def list_keys(table: Table, selection: Selection) -> list[int]:
    """Return the ids of the rows of a file; a computed table has none."""
    return table.keys(selection, _ALL) if table.keys else []


def iterate_table(
    table: Table, selection: Selection, keys: Sequence[int]
) -> Iterator[Row]:
    """Yield the rows in their order; memory stays bounded for tables with keys."""
    if table.keys is None:
        yield from table.rows(selection, ())
        return
    for some_keys in chunks(keys, ROWS_AT_ONCE):
        yield from table.rows(selection, some_keys)


class Counted:
    """Rows that are counted while they are read."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            yield row


def encode(
    table: Table, rows: Counted | Iterator[Row], *, for_excel: bool
) -> Iterator[bytes]:
    """Yield the file in parts, as UTF-8."""
    for part in csv_parts(table.columns, rows, for_excel=for_excel):
        yield part.encode()
