"""The rows of an export, a part at a time, from where it was interrupted."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from billing.exports.queries.contents import read_rows
from billing.exports.queries.downloads import Download
from billing.exports.queries.tables import Row, RowsPage
from billing.models import Export, ExportPart

PART_ROWS = 5_000
T = TypeVar("T")


class Batch(NamedTuple):
    """The rows of a part, how many were read for it, and where the next one starts."""

    number: int
    rows: Sequence[Row]
    read: int
    cursor: str = ""


def split(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of up to `size` items."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part


def read_batches(download: Download, export: Export) -> Iterator[Batch]:
    """Yield what is not written yet, in order; memory is that of one part.

    The caller writes each batch before it takes the next one.
    """
    if download.table.keys is not None:
        return _keyed(download, export)
    if (pages := download.table.pages) is not None:
        return _paged(pages(download.selection, export.cursor), export)
    return _computed(download)


def _keyed(download: Download, export: Export) -> Iterator[Batch]:
    table, selection = download.table, download.selection
    parts = ExportPart.objects.filter(export=export, content=None)
    numbers = list(parts.order_by("number").values_list("number", flat=True))
    for number in numbers:
        keys = parts.values_list("keys", flat=True).get(number=number)
        yield Batch(number, list(read_rows(table, selection, keys)), len(keys))


def _paged(pages: Iterable[RowsPage], export: Export) -> Iterator[Batch]:
    first = ExportPart.objects.filter(export=export).count()
    for number, page in enumerate(pages, first):
        yield Batch(number, page.rows, page.read, page.cursor)


def _computed(download: Download) -> Iterator[Batch]:
    rows = download.table.rows(download.selection, ())
    for number, part in enumerate(split(rows, PART_ROWS), 1):
        yield Batch(number, part, len(part))
