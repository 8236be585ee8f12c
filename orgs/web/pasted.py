"""Forms of many records at once: pasted lines, or a CSV file, of bounded size."""

import csv
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms

from orgs.text import plain_lines

_LONGEST_LINE = 2_000  # characters
_SEPARATORS = ",;\t"


@dataclass(frozen=True, slots=True)
class PastedRow:
    """The cells of a record, without spaces around them, and the line it ends at."""

    number: int
    cells: list[str]


def lines_field(help_text: str = "") -> forms.CharField:
    """Return the field of the lines, which says what a line is."""
    return forms.CharField(
        required=False,
        strip=False,
        label="Lines",
        widget=forms.Textarea({"rows": 8, "spellcheck": "false"}),
        help_text=help_text,
    )


class PastedForm(forms.Form):
    """Lines or a file; a form that inherits it says how many lines and KiB it takes.

    After validation `rows` are the records, without empty ones, and the cleaned `text`
    is what they were read from. Columns are separated
    by commas, semicolons, or tabs, whichever the first line has most of.
    """

    most_lines: ClassVar[int]
    most_kib: ClassVar[int]
    rows: list[PastedRow]

    lines = lines_field()
    file = forms.FileField(required=False, label="Or a CSV file")

    def clean_file(self) -> str:
        """Return the text of the file; raise `ValidationError` if it is not UTF-8."""
        file = self.cleaned_data["file"]
        if file is None:
            return ""
        if file.size > self.most_kib << 10:
            message = f"The file is too large: {self.most_kib} KiB at most."
            raise forms.ValidationError(message)
        try:
            return str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise forms.ValidationError("The file is not UTF-8 text.") from None

    def clean(self) -> dict[str, Any]:
        """Read the records; an error is one of the lines."""
        data = super().clean() or {}
        if "lines" not in self.errors and "file" not in self.errors:
            data["text"] = plain_lines(data.get("file") or data.get("lines") or "")
            try:
                self.rows = self._read(data["text"])
                self.check_rows()
            except forms.ValidationError as error:
                self.add_error("lines", error)
        return data

    def check_rows(self) -> None:
        """Raise `ValidationError` if the records cannot be these of the form."""

    def _read(self, text: str) -> list[PastedRow]:
        lines = text.splitlines()
        given = [line for line in lines if line.strip()]
        if not given:
            raise forms.ValidationError("Enter a line, or choose a file.")
        if len(text) > self.most_kib << 10:
            raise forms.ValidationError(f"At most {self.most_kib} KiB at once.")
        if len(given) > self.most_lines + 1:  # the first may name the columns
            raise forms.ValidationError(f"At most {self.most_lines:,} lines at once.")
        if max(map(len, lines)) > _LONGEST_LINE:
            raise forms.ValidationError("A line is too long.")
        return _read_rows(lines, max(_SEPARATORS, key=given[0].count))


def _read_rows(lines: list[str], separator: str) -> list[PastedRow]:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    rows: list[PastedRow] = []
    first = 1  # the line at which the next record begins
    try:
        for cells in reader:
            row = PastedRow(reader.line_num, [cell.strip() for cell in cells])
            first = reader.line_num + 1
            if any(row.cells):
                rows.append(row)
    except csv.Error:
        raise forms.ValidationError(
            f"The quotation marks of line {first} are not closed, or something follows"
            " them. Write two of them for one inside of a text."
        ) from None
    return rows
