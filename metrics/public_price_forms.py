"""The form that begins a price book with public list prices."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from django import forms

from metrics.commands.rate_rows import COLUMNS
from metrics.queries.public_prices import CURRENCY, PublicProduct, public_products
from orgs.schemas.csv import csv_text

_HUNDRED = Decimal(100)


class PublicPricesForm(forms.Form):
    """Which products, at which markup; the exchange rate if it is not US dollars."""

    products = forms.MultipleChoiceField(
        error_messages={"required": "Choose at least one product."}
    )
    markup = forms.DecimalField(
        label="Markup in %",
        initial=0,
        min_value=-100,
        max_value=1_000,
        max_digits=8,
        decimal_places=4,
        help_text="20 sells at 120% of the list price, -10 at 90%.",
    )
    exchange_rate = forms.DecimalField(
        min_value=Decimal("0.00000001"),
        max_value=1_000_000,
        max_digits=16,
        decimal_places=8,
    )
    effective_from = forms.CharField(
        max_length=40,
        required=False,
        help_text="A date, or a time with its zone. Empty: they have always applied.",
    )
    is_benchmark = forms.BooleanField(
        required=False,
        initial=True,
        label="Keep the list price as the benchmark price",
        help_text="Pages then show what customers save compared with it.",
    )
    field_order = ("markup", "exchange_rate", "effective_from", "is_benchmark")

    def __init__(self, *arguments: Any, currency: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["products"].choices = [  # type: ignore[attr-defined]
            (name, name) for name in public_products()
        ]
        rate = self.fields["exchange_rate"]
        rate.label = f"{currency.upper()} for 1 USD"
        if currency == CURRENCY:
            del self.fields["exchange_rate"]

    @property
    def chosen(self) -> Sequence[str]:
        """The products that are marked, also while another field has an error."""
        value: Sequence[str] = self["products"].value() or ()
        return value

    def csv(self) -> str:
        """Return the prices as the import takes them."""
        known = public_products()
        rows = (
            row
            for name in self.cleaned_data["products"]
            for row in self._rows(known[name])
        )
        return csv_text(COLUMNS, rows)

    def _rows(self, product: PublicProduct) -> Iterator[tuple[str, ...]]:
        data = self.cleaned_data
        rate = data.get("exchange_rate") or Decimal(1)
        factor = (_HUNDRED + data["markup"]) / _HUNDRED
        for price in product.prices:
            listed = price.unit_price * rate
            benchmark = _text(listed) if data["is_benchmark"] else ""
            row = (_text(listed * factor), price.unit, benchmark)
            yield product.name, price.meter, *row, data["effective_from"], ""


def _text(price: Decimal) -> str:
    return format(price.normalize(), "f")
