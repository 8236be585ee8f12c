"""CSV files for programs, and the same for spreadsheets.

Numbers have a decimal point and no separator of thousands, in every locale. Text that a
spreadsheet would run as a formula gets an apostrophe in front. A file for Excel also
begins with a byte order mark, without which Excel reads UTF-8 as another encoding, and
has text that Excel would change, such as `007` or `1E5`, as a formula of that text.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal

from orgs.decimals import plain

Cell = str | int | Decimal | date | datetime | None
BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
_PART = 1 << 16  # characters
# Spreadsheets run text that starts like this as a formula; numbers are not text.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
# What a spreadsheet takes for a number, a date, a time, or a truth value: it begins
# with a digit, or is such a word. Case and spaces around do not matter.
_CHANGED = re.compile(
    r"\s*(?:[.,($€£¥]*\d.*|(?:true|false)|"
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[\s./-]*\d+)\s*",
    re.IGNORECASE | re.DOTALL,
)
_MAX_FORMULA_TEXT = 255  # characters of a text in a formula of Excel


def csv_text(
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    for_excel: bool = False,
) -> str:
    """Return CSV as of RFC 4180, with a header."""
    return "".join(csv_parts(columns, rows, for_excel=for_excel))


def csv_parts(
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    for_excel: bool = False,
) -> Iterator[str]:
    """Yield `csv_text` in parts, while `rows` are read: memory stays bounded."""
    yield csv_header(columns, for_excel=for_excel)
    yield from csv_rows(rows, for_excel=for_excel)


def csv_header(columns: Sequence[str], *, for_excel: bool = False) -> str:
    """Return what a file begins with: its header, for Excel after a mark."""
    out = io.StringIO()
    out.write(BYTE_ORDER_MARK if for_excel else "")
    csv.writer(out).writerow(columns)
    return out.getvalue()


def csv_rows(
    rows: Iterable[Sequence[Cell]], *, for_excel: bool = False
) -> Iterator[str]:
    """Yield the rows without a header, in parts of about 64,000 characters."""
    out = io.StringIO()
    writer = csv.writer(out)
    for row in rows:
        writer.writerow([_format_cell(cell, for_excel) for cell in row])
        if out.tell() > _PART:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    if out.tell():
        yield out.getvalue()


def _format_cell(cell: Cell, for_excel: bool) -> str | int:
    if isinstance(cell, str):
        return _format_text(cell, for_excel)
    if isinstance(cell, Decimal):
        return plain(cell)
    if isinstance(cell, date | datetime):
        return cell.isoformat()
    return "" if cell is None else cell


def quote_formula(text: str) -> str:
    """Return the text, with an apostrophe in front if it looks like a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _format_text(text: str, for_excel: bool) -> str:
    if text.startswith(_FORMULA_STARTS):
        return quote_formula(text)
    if for_excel and _CHANGED.fullmatch(text):
        if len(text) > _MAX_FORMULA_TEXT:
            return f"'{text}"
        escaped = text.replace('"', '""')
        return f'="{escaped}"'
    return text
