"""Forms of prices: one rate in natural units, or many as CSV."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django import forms

from metrics.catalog import METERS
from metrics.commands.rate_rows import (
    COLUMNS,
    REQUIRED_COLUMNS,
    organization_ids,
    read_rate,
)
from metrics.commands.rates import IncomingRate
from metrics.units import NO_PRICE
from orgs.errors import DomainError, InputRejected
from orgs.models import WhiteLabel
from orgs.text import plain_lines

MAX_LINES, MAX_BYTES, MAX_LINE_LENGTH = 2_000, 512 << 10, 2_000
_LONGEST_REASON = 1_000
# Where an error of a rate belongs in the form of one rate.
_FIELDS = {
    "invalid_product": "product",
    "unknown_meter": "meter",
    "organization_not_found": "organization",
    "invalid_unit_price": "unit_price",
    "invalid_benchmark_unit_price": "benchmark_unit_price",
    "invalid_effective_from": "effective_from",
    "invalid_unit": "unit",
    "out_of_range": "unit_price",
}


class PriceChangeForm(forms.Form):
    """The reason of a change of prices, and the proof of its preview.

    A preview needs no reason.
    """

    reason = forms.CharField(
        max_length=_LONGEST_REASON,
        widget=forms.Textarea({"rows": 2}),
        help_text="Kept in the history. A link to a ticket can be opened there.",
    )
    before = forms.CharField(max_length=200, required=False, widget=forms.HiddenInput)

    def __init__(
        self,
        data: Any = None,
        *arguments: Any,
        is_preview: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(data, *arguments, **options)
        if is_preview:
            self.fields["reason"].required = False

    @property
    def is_readable(self) -> bool:
        """Return whether the prices are valid, though perhaps not the reason."""
        return self.is_bound and not self.errors.keys() - {"reason"}

    def set_proof(self, proof: str) -> None:
        """Show the form again with the proof of the preview, to be saved next."""
        self.fields["reason"].required = True
        self.data = {**dict(self.data.items()), "before": proof}


@dataclass(frozen=True, slots=True)
class RateLine:
    """A line of rates: the rate, or why it cannot be loaded."""

    number: int
    rate: IncomingRate | None
    texts: dict[str, str]
    error: str = ""


class RateForm(PriceChangeForm):
    """One price; one with the same start replaces the price in force."""

    product = forms.CharField(
        max_length=200, help_text="As usage events name it, such as gpt-4o."
    )
    meter = forms.ChoiceField(choices=[(m.slug, m.label) for m in METERS.values()])
    unit_price = forms.CharField(
        max_length=60, label="Price", help_text="A number with a point; 0 is free."
    )
    unit = forms.CharField(
        max_length=40,
        required=False,
        label="Per",
        help_text="Such as 1M tokens, 1,000 requests, GPU-hour, or GiB-month. Empty: a"
        " token, request, second, byte, or byte-day.",
    )
    benchmark_unit_price = forms.CharField(
        max_length=60,
        required=False,
        label="Benchmark price",
        help_text="Of the same unit elsewhere; savings are the difference.",
    )
    effective_from = forms.CharField(
        max_length=40,
        required=False,
        help_text="A date, or a time with its zone. Empty: it has always applied.",
    )
    organization = forms.CharField(
        max_length=200,
        required=False,
        help_text="External ID, for a price of one organization.",
    )
    field_order = (*COLUMNS, "reason")

    def read(self, white_label: WhiteLabel) -> IncomingRate | None:
        """Return the rate; None, with an error at its field, if it is refused."""
        row = {name: self.cleaned_data[name].strip() for name in COLUMNS}
        try:
            rate = read_rate(row, white_label, organization_ids(white_label, [row]))
        except InputRejected as error:
            self.add_error(_FIELDS.get(error.code), str(error))
            return None
        if rate.unit_price is None:
            self.add_error("unit_price", "End the price from the list of prices.")
            return None
        return rate


class EndPriceForm(PriceChangeForm):
    """The end of a price: from then on usage of the product and meter has none."""

    product = forms.CharField(max_length=200)
    meter = forms.ChoiceField(choices=[(m.slug, m.label) for m in METERS.values()])
    effective_from = forms.CharField(
        max_length=40,
        label="Ends on",
        help_text="A date, or a time with its zone. Usage from then on is unpriced.",
    )
    organization = forms.CharField(
        max_length=200,
        required=False,
        help_text="External ID, to end the price of one organization.",
    )
    field_order = ("product", "meter", "organization", "effective_from", "reason")

    def read(self, white_label: WhiteLabel) -> IncomingRate | None:
        """Return the end as a rate without a price; None, with an error, if refused."""
        names = ("product", "meter", "effective_from", "organization")
        row = {name: self.cleaned_data[name].strip() for name in names}
        row["unit_price"] = NO_PRICE
        try:
            return read_rate(row, white_label, organization_ids(white_label, [row]))
        except InputRejected as error:
            self.add_error(_FIELDS.get(error.code), str(error))
        return None


class RateListForm(PriceChangeForm):
    """Many prices: a CSV file, or its text; the first line names the columns."""

    lines = forms.CharField(
        required=False,
        max_length=MAX_BYTES,
        strip=False,
        label="CSV",
        widget=forms.Textarea({"rows": 10, "spellcheck": "false"}),
        help_text=f"Columns: {', '.join(COLUMNS)}. The first three are required. The"
        f" unit_price {NO_PRICE} ends a price from effective_from on.",
    )
    file = forms.FileField(required=False, label="Or a file")
    field_order = ("lines", "file", "reason")

    def clean_file(self) -> str:
        """Return the text of the file; raise `ValidationError` if it is not UTF-8."""
        file = self.cleaned_data["file"]
        if file is None:
            return ""
        if file.size > MAX_BYTES:
            raise forms.ValidationError("The file is too large: 512 KiB at most.")
        try:
            return str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise forms.ValidationError("The file is not UTF-8 text.") from None

    def clean(self) -> dict[str, Any]:
        """Require a header with known columns, and not too many lines."""
        data = super().clean() or {}
        text = data.get("file") or data.get("lines") or ""
        data["text"] = plain_lines(text)
        if "lines" in self.errors or "file" in self.errors:
            return data
        if problem := _problem(data["text"]):
            self.add_error("lines", problem)
        return data

    def read(self, white_label: WhiteLabel) -> list[RateLine]:
        """Return each line with its rate, or the reason why it is refused."""
        rows = list(_rows(self.cleaned_data["text"]))
        ids = organization_ids(white_label, (row for _, row in rows))
        return [_line(number, row, white_label, ids) for number, row in rows]


def _problem(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return "Enter lines, or choose a file."
    if len(lines) > MAX_LINES + 1:
        return f"At most {MAX_LINES:,} lines at once."
    if max(map(len, lines)) > MAX_LINE_LENGTH:
        return "A line is too long."
    columns = set(_header(text))
    if missing := REQUIRED_COLUMNS - columns:
        return f"The first line must name the columns; missing: {_join(missing)}."
    if unknown := columns - set(COLUMNS):
        return f"Unknown columns: {_join(unknown)}."
    return ""


def _join(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))[:200]


def _separator(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=first.count)


def _header(text: str) -> list[str]:
    reader = csv.reader(text.lstrip().splitlines(), delimiter=_separator(text))
    return [cell.strip().lower() for cell in next(reader, [])]


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line numbers and cells by column, without empty lines and the header."""
    columns = _header(text)
    reader = csv.reader(text.splitlines(), delimiter=_separator(text))
    is_header = True
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if is_header:
            is_header = False
            continue
        row = dict.fromkeys(COLUMNS, "") | {
            name: cell.strip() for name, cell in zip(columns, cells, strict=False)
        }
        extra = len(cells) != len(columns)
        yield reader.line_num, row | ({"cells": str(len(cells))} if extra else {})


def _line(
    number: int, row: dict[str, str], white_label: WhiteLabel, ids: dict[str, int]
) -> RateLine:
    if "cells" in row:
        message = f"The line has {row['cells']} cells, not one for each column."
        return RateLine(number, None, row, message)
    try:
        return RateLine(number, read_rate(row, white_label, ids), row)
    except (InputRejected, DomainError) as error:
        return RateLine(number, None, row, str(error))
