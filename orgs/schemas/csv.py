"""CSV files that are safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal

from orgs.decimals import plain

Cell = str | int | Decimal | date | datetime | None
# Spreadsheets run text that starts like this as a formula; numbers are not text.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return CSV as of RFC 4180, with a header.

    Text that looks like a formula gets an apostrophe in front.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_format_cell(cell) for cell in row])
    return out.getvalue()


def _format_cell(cell: Cell) -> str | int:
    if isinstance(cell, Decimal):
        return plain(cell)
    if isinstance(cell, date | datetime):
        return cell.isoformat()
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS):
        return f"'{cell}"
    return "" if cell is None else cell
