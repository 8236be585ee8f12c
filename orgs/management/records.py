"""Records of loaded files: lines of NDJSON, or rows of CSV as spreadsheets write it.

What is wrong with a file as a whole stops it with one line: its encoding, its header, a
row that the header does not fit. What is wrong with a record rejects that record.
"""

import csv
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.core.management import CommandError

from orgs.errors import InputRejected
from orgs.management.rejects import ORIGINAL, REASON_COLUMNS
from orgs.management.sources import LINE_BYTES, NumberedLine, Source

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_ORIGINAL_ONLY = (ORIGINAL,)
_TOO_LONG = InputRejected(
    "line_too_long", f"The line is longer than {LINE_BYTES:,} bytes."
)
_SHOWN_BYTES = 1_000  # of a line that is too long: a batch of them must fit into memory
# A cell may be as long as a line: rejected lines are cells.
csv.field_size_limit(LINE_BYTES + 1)


@dataclass(frozen=True, slots=True)
class Layout:
    """The formats of a command's file: NDJSON, CSV with these columns, or both."""

    required: Set[str] = frozenset()
    optional: Set[str] = frozenset()
    takes_lines: bool = True

    @property
    def columns(self) -> Set[str]:
        """The names of all columns; none if the file cannot be CSV."""
        return self.required | self.optional


# A line of NDJSON, a row of CSV by column, or the reason why neither could be read.
Content = bytes | dict[str, str] | InputRejected


@dataclass(frozen=True, slots=True)
class Record:
    """A line or row of a file: the number of its first line, its content, as read."""

    line: int
    content: Content
    raw: bytes | Sequence[str]

    def cells(self) -> Sequence[str]:
        """Return the cells of a rejects file, of which one may be a line of NDJSON."""
        if isinstance(self.raw, bytes):
            return [self.raw.decode(errors="surrogateescape").rstrip("\r\n")]
        return self.raw


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a file and the columns of their cells."""

    columns: Sequence[str]
    rows: Iterator[Record]
    is_csv: bool = True


def read_records(source: Source, layout: Layout) -> Records:
    """Return the records of a file; raise `CommandError` if it is neither format."""
    lines: Iterator[NumberedLine] = filter(lambda line: line[1].strip(), source.lines())
    first = next(lines, None)
    if first is None:
        return Records(_ORIGINAL_ONLY, iter(()), is_csv=False)
    if first[1].lstrip()[:1] not in (b"{", b"["):
        if table := _find_table(first, source, layout):
            return table
        second = next(lines, None)
        if not layout.takes_lines or not _is_object(second):
            raise CommandError(_unknown_format(first[1], source, layout))
        lines = chain([second] if second else [], lines)
    elif not layout.takes_lines:
        raise CommandError(_unknown_format(first[1], source, layout))
    return Records(_ORIGINAL_ONLY, map(_line, chain([first], lines)), is_csv=False)


def _is_object(line: NumberedLine | None) -> bool:
    return line is not None and line[1].lstrip().startswith(b"{")


def _unknown_format(first: bytes, source: Source, layout: Layout) -> str:
    if b"\x00" in first:
        return f"{source.name} is binary, or UTF-16 without a byte order mark."
    begin = first.decode(errors="replace").strip()[:60]
    formats = ["NDJSON, one JSON object per line"] * layout.takes_lines
    if layout.columns:
        formats.append(f"CSV, whose first line must name {_columns_text(layout)}")
    return f"{source.name} begins with {begin!r}. Accepted: {'; or '.join(formats)}."


def _columns_text(layout: Layout) -> str:
    optional = f"; optional: {', '.join(sorted(layout.optional))}"
    required = f"the columns {', '.join(sorted(layout.required))}"
    return required + optional * bool(layout.optional)


def _line(numbered: NumberedLine) -> Record:
    number, line = numbered
    content = _check_line(number, line)
    return Record(
        number, content, line[:_SHOWN_BYTES] if content is _TOO_LONG else line
    )


def _check_line(number: int, line: bytes) -> bytes | InputRejected:
    if len(line) > LINE_BYTES:
        return _TOO_LONG
    return find_bad_byte(line, number) or line


def find_bad_byte(line: bytes, number: int) -> InputRejected | None:
    """Return an error that names the first byte of a line that is not UTF-8."""
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return InputRejected(
            "invalid_encoding",
            f"Line {number} is not UTF-8: its byte {error.start + 1} is"
            f" 0x{line[error.start]:02X}. Save the file as UTF-8, in Excel as"
            ' "CSV UTF-8".',
        )
    return None


@dataclass(frozen=True, slots=True)
class _Header:
    """The columns of a CSV file, and its dialect."""

    names: Sequence[str]
    delimiter: str
    is_padded: bool  # cells, too, have spaces around them

    def reader(self, lines: Iterator[str]) -> Any:
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            skipinitialspace=self.is_padded,
            strict=True,
        )


def _find_table(first: NumberedLine, source: Source, layout: Layout) -> Records | None:
    """Return the rows of a CSV file; None if its first line is no header."""
    lines = _text_lines(source)
    text, delimiters = _header_text(first, source), "".join(_DELIMITERS)
    if separator := _SEPARATOR_LINE.fullmatch(text):
        delimiters = separator[1]
        text = next((line.text for line in lines if line.text.strip()), "")
    header = _find_header(text, delimiters, layout)
    if header is None:
        return None
    is_rejects = tuple(header.names[: len(REASON_COLUMNS)]) == REASON_COLUMNS
    skipped = len(REASON_COLUMNS) if is_rejects else 0
    names = header.names[skipped:]
    is_lines = is_rejects and tuple(names) == _ORIGINAL_ONLY and layout.takes_lines
    if not is_lines:
        _check_names(names, header, source, layout)
    reader = _Rows(header, lines, source)
    return Records(names, reader.records(skipped, is_lines=is_lines))


def _header_text(first: NumberedLine, source: Source) -> str:
    number, line = first
    if error := find_bad_byte(line, number):
        raise CommandError(f"{source.name}: {error.message}")
    text = line.decode()
    if "\r" in text.rstrip("\r\n"):
        raise CommandError(
            f'{source.name} ends its lines with CR alone, as Excel\'s "CSV (Macintosh)"'
            ' does; save it as "CSV UTF-8".'
        )
    return text


def _find_header(text: str, delimiters: str, layout: Layout) -> _Header | None:
    """Return the header that knows the most columns, or none if it knows no column."""
    known = layout.columns | set(REASON_COLUMNS)
    headers = [_split_header(text, delimiter) for delimiter in delimiters]
    matching = [header for header in headers if header and known & set(header.names)]
    return max(
        matching, key=lambda header: len(known & set(header.names)), default=None
    )


def _split_header(text: str, delimiter: str) -> _Header | None:
    """Return the header by a delimiter, its names in lower case and without spaces."""
    try:
        cells = next(csv.reader([text], delimiter=delimiter, skipinitialspace=True))
    except (csv.Error, StopIteration):
        return None
    names = [re.sub(r"[\s-]+", "_", cell.strip().lower()) for cell in cells]
    is_padded = f"{delimiter} " in text or any(cell != cell.strip() for cell in cells)
    return _Header(names, delimiter, is_padded)


def _check_names(
    names: Sequence[str], header: _Header, source: Source, layout: Layout
) -> None:
    separators = _DELIMITERS.get(header.delimiter, repr(header.delimiter))
    dialect = f"{source.name} (CSV with {separators})"
    repeated = sorted({name for name in names if names.count(name) > 1})
    unknown = sorted(set(names) - layout.columns)
    missing = sorted(layout.required - set(names))
    for problem, columns in (
        ("names a column more than once", repeated),
        ("has an unknown column", unknown),
        ("lacks a column", missing),
    ):
        if columns:
            listed = ", ".join(repr(column[:100]) for column in columns)
            raise CommandError(
                f"The header of {dialect} {problem}: {listed}. It must name"
                f" {_columns_text(layout)}."
            )


@dataclass(frozen=True, slots=True)
class _TextLine:
    """A line, decoded so that its bytes can be written again, and its error."""

    number: int
    text: str
    error: InputRejected | None


def _text_lines(source: Source) -> Iterator[_TextLine]:
    for number, line in source.lines():
        if len(line) > LINE_BYTES:
            raise CommandError(
                f"{source.name}: line {number} is longer than {LINE_BYTES:,} bytes."
            )
        error = None if line.isascii() else find_bad_byte(line, number)
        yield _TextLine(number, line.decode(errors="surrogateescape"), error)


class _Rows:
    """The rows of a CSV file with the numbers of their lines."""

    def __init__(
        self, header: _Header, lines: Iterator[_TextLine], source: Source
    ) -> None:
        self._header = header
        self._lines = lines
        self._source = source
        self._number = 0  # of the last line that was read
        self._first = 0  # of the row that is being read
        self._error: InputRejected | None = None

    def records(self, skipped: int, *, is_lines: bool) -> Iterator[Record]:
        """Yield the rows; the first `skipped` cells are the reasons of a reject.

        With `is_lines` the only other cell is a line of NDJSON.
        """
        names = self._header.names[skipped:]
        for row in self._rows():
            self._check_length(row)
            cells = [cell.strip() for cell in row] if self._header.is_padded else row
            if skipped:
                cells = cells[skipped:]
            if any(cells):
                yield Record(self._first, self._content(names, cells, is_lines), cells)

    def _content(
        self, names: Sequence[str], cells: Sequence[str], is_lines: bool
    ) -> Content:
        if self._error:
            return self._error
        if "\x00" in "".join(cells):
            return InputRejected(
                "invalid_character", "Text must not contain NUL characters."
            )
        return cells[0].encode() if is_lines else dict(zip(names, cells, strict=True))

    def _rows(self) -> Iterator[list[str]]:
        """Yield the rows that are not blank; `_first` is the line each begins with."""
        reader = self._header.reader(self._texts())
        while True:
            self._first, self._error = 0, None
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise self._stop(_explain(error)) from None
            if row:
                yield row

    def _texts(self) -> Iterator[str]:
        for line in self._lines:
            self._first = self._first or line.number
            self._error = self._error or line.error
            yield line.text

    def _check_length(self, row: Sequence[str]) -> None:
        expected = len(self._header.names)
        if len(row) != expected:
            raise self._stop(
                f"the row has {len(row)} cells, but the header has {expected} columns"
            )

    def _stop(self, problem: str) -> CommandError:
        return CommandError(f"{self._source.name}: line {self._first}: {problem}.")


def _explain(error: csv.Error) -> str:
    """Return what a person can do about an error of the CSV reader."""
    text = str(error)
    if "unexpected end of data" in text or "field larger" in text:
        return "a cell begins with a quotation mark and has no closing one"
    if "expected after" in text:
        return (
            "a cell continues after its closing quotation mark; write a quotation mark"
            " inside of a cell twice"
        )
    return text
