"""Writing of exports: a part at a time, in time slices, by one worker at a time.

The keys of all rows are listed first, in one statement, and kept with the parts: rows
that are added later are not in the file, none is in it twice, and one that is deleted
before its part is written is left out. Tables whose rows have no key are read from a
cursor on. Each part is committed together with the progress, so a killed worker loses
the part that it was at, and the next one writes it again. A computed table is one read
and starts again instead.
"""

import logging
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta

from django.db import transaction

from billing.exports.queries.batches import PART_ROWS, Batch, read_batches, split
from billing.exports.queries.downloads import Download
from billing.exports.queries.manifests import Digest, build_manifest
from billing.exports.queries.stored_files import deflate, iterate_csv
from billing.models import Export, ExportPart
from orgs.commands import work
from orgs.errors import DomainError
from orgs.models.work import DatabaseClock
from orgs.schemas.csv import csv_header, csv_rows

logger = logging.getLogger(__name__)
SLICE = timedelta(seconds=20)  # of work, then other tasks have their turn
MAX_SIZE = 2 << 30  # bytes of a CSV file
Prepare = Callable[[Export], Download]  # raises for rows that are out of reach by now


class _LeaseLost(Exception):
    """The export was canceled, or another worker has it."""


def advance(export_id: int, prepare: Prepare, *, retention: timedelta) -> bool:
    """Write an export for a time slice; return whether it needs another one.

    No effect if it has ended or another worker has it. A file can be downloaded for the
    `retention`.
    """
    rows = Export.objects.select_related("organization__white_label", "user", "api_key")
    export = work.claim(rows, export_id)
    if export is None:
        return False
    if export.is_exhausted:
        message = "The worker ended unexpectedly, several times."
        _fail(export, code="worker_died", message=message)
        return False
    try:
        return _advance(export, prepare(export), retention)
    except _LeaseLost:
        logger.info("export_lost id=%s", export.pk)
    except DomainError as error:
        _fail(export, code=error.code, message=error.message)
    except Exception:  # rows are read by the queries of many tables
        logger.exception("export_failed id=%s attempt=%s", export.pk, export.attempts)
        if not work.retry_later(export, code="unexpected", message=""):
            message = f"Failed after {export.retries.attempts} attempts."
            _fail(export, code="unexpected", message=message)
    return False


@transaction.atomic
def _fail(export: Export, *, code: str, message: str) -> None:
    if work.fail(export, code=code, message=message):
        ExportPart.objects.filter(export=export).delete()


def _advance(export: Export, download: Download, retention: timedelta) -> bool:
    deadline = time.monotonic() + SLICE.total_seconds()
    if not export.stored_size or not download.table.is_resumable:
        _list_rows(export, download)
    for batch in read_batches(download, export):
        _write(export, batch)
        if download.table.is_resumable and time.monotonic() > deadline:
            work.release(export, wait=timedelta())
            return True
    _finish(export, download, retention)
    return False


def _lock(export: Export) -> None:
    if not work.lock_lease(export):
        raise _LeaseLost


@transaction.atomic
def _list_rows(export: Export, download: Download) -> None:
    """Write the header, and a part with the keys of its rows for each part to write."""
    table, selection = download.table, download.selection
    _lock(export)
    ExportPart.objects.filter(export=export).delete()
    export.rows_done = export.rows = export.size = 0
    export.stored_size = export.crc32 = 0
    export.cursor, export.rows_total = "", None
    header = csv_header(table.columns, for_excel=export.is_for_excel)
    _store(export, 0, header.encode())
    if table.keys is not None:
        export.rows_total = _list_keys(export, download)
    elif table.count is not None:
        export.rows_total = table.count(selection, None)
    _save_progress(export)


def _list_keys(export: Export, download: Download) -> int:
    keys, total = download.table.keys, 0
    if keys is not None:
        listed = split(keys(download.selection, None), PART_ROWS)
        for number, part in enumerate(listed, 1):
            ExportPart.objects.create(export=export, number=number, keys=part)
            total += len(part)
    return total


@transaction.atomic
def _write(export: Export, batch: Batch) -> None:
    """Write a part and the progress, unless the lease was lost."""
    text = "".join(csv_rows(batch.rows, for_excel=export.is_for_excel))
    _lock(export)
    export.rows_done += batch.read
    export.rows += len(batch.rows)
    export.cursor = batch.cursor
    _store(export, batch.number, text.encode())
    _save_progress(export)


def _store(export: Export, number: int, data: bytes) -> None:
    """Store a piece of the file; raise `DomainError` if the file gets too large."""
    content = deflate(data)
    export.size += len(data)
    export.stored_size += len(content)
    export.crc32 = zlib.crc32(data, export.crc32)
    if export.size > MAX_SIZE:
        message = (
            f"The file would be larger than {MAX_SIZE >> 30} GiB. Narrow the range or"
            " the filters."
        )
        raise DomainError(message, code="export_too_large")
    ExportPart.objects.update_or_create(
        export=export, number=number, defaults={"keys": [], "content": content}
    )


_PROGRESS = (
    *("rows_total", "rows_done", "rows", "size", "stored_size", "crc32"),
    "cursor",
)


def _save_progress(export: Export) -> None:
    """Save the progress and renew the lease."""
    values = {name: getattr(export, name) for name in _PROGRESS}
    until = DatabaseClock() + export.retries.lease
    Export.objects.filter(pk=export.pk).update(**values, leased_until=until)


def _finish(export: Export, download: Download, retention: timedelta) -> None:
    """Read the file once more for its SHA-256, and make it available."""
    digest = Digest()
    for _ in digest.pass_through(_renewing(export, iterate_csv(export))):
        pass
    if digest.size != export.size:
        raise RuntimeError(f"{digest.size} bytes are stored of {export.size}")
    manifest = build_manifest(download, rows=export.rows, digest=digest)
    work.finish(
        export,
        rows_total=export.rows_done,
        sha256=digest.sha256,
        manifest=manifest | {"rows_left_out": export.rows_done - export.rows},
        expires_at=DatabaseClock() + retention,
        cursor="",
    )


def _renewing(export: Export, parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the parts and keep the lease meanwhile."""
    renewed_at = time.monotonic()
    for part in parts:
        yield part
        if time.monotonic() - renewed_at > SLICE.total_seconds():
            if not work.renew(export):
                raise _LeaseLost
            renewed_at = time.monotonic()
