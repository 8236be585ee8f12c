"""Archives of a CSV file and its manifest."""

import json
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from billing.exports.queries.stored_files import END, iterate_pieces
from billing.models import Export

MANIFEST_NAME = "manifest.json"
_IN_MEMORY = 8 << 20  # bytes of an archive; a larger one is a file on disk meanwhile
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same rows make the same archive


def manifest_json(manifest: dict[str, Any]) -> bytes:
    """Return the manifest as indented JSON."""
    return json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n"


class Archive:
    """A ZIP archive of a CSV file and its manifest, which is known after the rows."""

    def __init__(self) -> None:
        self.file: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        self._zip = zipfile.ZipFile(self.file, "w", zipfile.ZIP_DEFLATED)

    def add(self, name: str, parts: Iterable[bytes]) -> None:
        """Write a file of the archive, part by part."""
        entry = zipfile.ZipInfo(name, _EPOCH)
        entry.compress_type = zipfile.ZIP_DEFLATED
        with self._zip.open(entry, "w", force_zip64=True) as out:
            for part in parts:
                out.write(part)

    def finish(self) -> IO[bytes]:
        """Return the archive, to be read from its beginning."""
        self._zip.close()
        self.file.seek(0)
        return self.file


@dataclass(frozen=True)
class _Entry:
    """A file in an archive; `offset` is where its own header begins."""

    name: bytes
    method: int
    crc32: int
    stored_size: int
    size: int
    offset: int

    @property
    def _facts(self) -> bytes:
        """What both headers of the file have in common, from its version on."""
        day = 1 << 5 | 1  # January 1, 1980; the time before it is 0
        sizes = (self.crc32, self.stored_size, self.size, len(self.name), 0)
        return struct.pack("<HHHHHLLLHH", 20, 0, self.method, 0, day, *sizes)

    @property
    def header(self) -> bytes:
        """The header in front of the file."""
        return b"PK\x03\x04" + self._facts + self.name

    @property
    def directory(self) -> bytes:
        """The header in the directory at the end: a file that its owner may read."""
        rest = struct.pack("<HHHLL", 0, 0, 0, 0o600 << 16, self.offset)
        made_by = struct.pack("<H", 3 << 8 | 20)
        return b"PK\x01\x02" + made_by + self._facts + rest + self.name


@dataclass(frozen=True)
class StoredArchive:
    """The archive of an export: its pieces as they are stored, not deflated again.

    Only the few bytes around them are made here, so that its length is known before and
    sending costs a read. Files are below 4 GiB, the limit of the plain format.
    """

    export: Export

    @property
    def length(self) -> int:
        """The number of bytes of the archive."""
        first, second, content = self._entries()
        around = sum(len(e.header) + len(e.directory) for e in (first, second))
        return around + first.stored_size + len(content) + len(self._end(0, 0))

    def parts(self) -> Iterator[bytes]:
        """Yield the archive in parts, one query for each piece."""
        first, second, content = self._entries()
        yield first.header
        yield from iterate_pieces(self.export)
        yield END + second.header + content
        directory = first.directory + second.directory
        at = second.offset + len(second.header) + len(content)
        yield directory + self._end(len(directory), at)

    def _entries(self) -> tuple[_Entry, _Entry, bytes]:
        export, content = self.export, manifest_json(self.export.manifest or {})
        stored = export.stored_size + len(END)
        name = export.file_name.encode()
        first = _Entry(name, 8, export.crc32, stored, export.size, 0)
        crc32, size = zlib.crc32(content), len(content)
        at = len(first.header) + stored
        second = _Entry(MANIFEST_NAME.encode(), 0, crc32, size, size, at)
        return first, second, content

    def _end(self, size: int, at: int) -> bytes:
        return b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 2, 2, size, at, 0)
