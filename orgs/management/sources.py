"""Reading the files of loading commands: compression, encodings, and lines."""

import codecs
import gzip
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self, cast

from django.core.management import CommandError

LINE_BYTES = 1_000_000  # a longer line is rejected and not kept in memory
_BUFFER = 1 << 20
_GZIP = b"\x1f\x8b"
_UTF8_MARK = codecs.BOM_UTF8
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# What files that are no text begin with, and what the person should do.
_OTHER_FORMATS = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive; save it as CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "an Excel 97 workbook; save it as CSV UTF-8",
    b"BZh": "compressed with bzip2; use gzip",
    b"\xfd7zXZ": "compressed with xz; use gzip",
    b"\x28\xb5\x2f\xfd": "compressed with Zstandard; use gzip",
    codecs.BOM_UTF32_LE: "UTF-32; save it as UTF-8",
    codecs.BOM_UTF32_BE: "UTF-32; save it as UTF-8",
}

NumberedLine = tuple[int, bytes]


class Source:
    """A file, pipe, or standard input, gzip-compressed or not, and its position.

    Its lines are UTF-8: a byte order mark is left out, UTF-16 with one is converted.
    Raises `CommandError` for a file that is no text.
    """

    def __init__(self, path: str) -> None:
        self.name = "standard input" if path == "-" else path
        self._file = None if path == "-" else _open(Path(path))
        self._is_seekable = self._file is not None and self._file.seekable()
        self.size = Path(path).stat().st_size if self._is_seekable else None
        try:
            self._stream = self._as_utf8(self._decompressed())
        except BaseException:
            self.__exit__()
            raise
        self._number = 0  # of the last line that was read

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def position(self) -> int:
        """Return the number of bytes read, compressed or not; 0 unless it is a file."""
        return self._file.raw.tell() if self._file and self._is_seekable else 0

    def lines(self) -> Iterator[NumberedLine]:
        """Yield the lines that were not read yet, with their ends and their numbers.

        A line that is longer than `LINE_BYTES` is cut to one byte more than that.
        """
        while line := self._stream.readline(LINE_BYTES + 1):
            self._number += 1
            if len(line) > LINE_BYTES:
                self._skip_rest(line)
            yield self._number, line

    def _skip_rest(self, line: bytes) -> None:
        while line and not line.endswith(b"\n"):
            line = self._stream.readline(LINE_BYTES)

    def _decompressed(self) -> Any:
        reader = self._file or cast("io.BufferedReader", sys.stdin.buffer)
        is_gzip = reader.peek(2)[:2] == _GZIP
        return gzip.GzipFile(fileobj=reader) if is_gzip else reader

    def _as_utf8(self, stream: Any) -> Any:
        start = stream.peek(8)[:8]
        for magic, what in _OTHER_FORMATS.items():
            if start.startswith(magic):
                raise CommandError(f"{self.name} is {what}.")
        if start.startswith(_UTF8_MARK):
            stream.read(len(_UTF8_MARK))
        if start.startswith(_UTF16_MARKS):
            return io.BufferedReader(_Utf16(stream, self.name), _BUFFER)
        return stream


class _Utf16(io.RawIOBase):
    """UTF-16 with a byte order mark, read as UTF-8; spreadsheets' "Unicode text"."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name
        self._decoder = codecs.getincrementaldecoder("utf-16")()
        self._pending = b""
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._pending:
            chunk = self._stream.read(_BUFFER)
            self._pending = self._decode(chunk)
            if not chunk:
                break
        size = min(len(buffer), len(self._pending))
        buffer[:size], self._pending = self._pending[:size], self._pending[size:]
        return size

    def _decode(self, chunk: bytes) -> bytes:
        try:
            text = self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise CommandError(
                f"{self._name} is not valid UTF-16 after byte"
                f" {self._position + error.start}: {error.reason}."
            ) from None
        self._position += len(chunk)
        return text.encode()


def _open(path: Path) -> io.BufferedReader:
    try:
        return io.BufferedReader(io.FileIO(path), _BUFFER)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
