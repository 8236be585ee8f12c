"""Forms of prices: one rate in natural units, or many as CSV."""

from collections.abc import Iterable
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
from orgs.web.pasted import PastedForm, PastedRow, lines_field

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


class RateListForm(PastedForm, PriceChangeForm):
    """Many prices; the first line names the columns."""

    most_lines, most_kib = 2_000, 512
    lines = lines_field(
        f"Columns: {', '.join(COLUMNS)}. The first three are required. The unit_price"
        f" {NO_PRICE} ends a price from effective_from on."
    )
    field_order = ("lines", "file", "reason")

    def check_rows(self) -> None:
        """Require a first line with known columns, and those that are required."""
        columns = set(self._columns())
        if missing := REQUIRED_COLUMNS - columns:
            raise forms.ValidationError(
                f"The first line must name the columns; missing: {_join(missing)}."
            )
        if unknown := columns - set(COLUMNS):
            raise forms.ValidationError(f"Unknown columns: {_join(unknown)}.")

    def read(self, white_label: WhiteLabel) -> list[RateLine]:
        """Return each line with its rate, or the reason why it is refused."""
        columns = self._columns()
        rows = [(row.number, _by_column(row, columns)) for row in self.rows[1:]]
        ids = organization_ids(white_label, (row for _, row in rows))
        return [_line(number, row, white_label, ids) for number, row in rows]

    def _columns(self) -> list[str]:
        return [cell.lower() for cell in self.rows[0].cells]


def _join(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))[:200]


def _by_column(row: PastedRow, columns: list[str]) -> dict[str, str]:
    """Return the cells by column; `cells` is their number if it is another."""
    cells = dict.fromkeys(COLUMNS, "") | dict(zip(columns, row.cells, strict=False))
    if len(row.cells) != len(columns):
        cells["cells"] = str(len(row.cells))
    return cells


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
