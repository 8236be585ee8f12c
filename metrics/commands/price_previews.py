"""Proofs of price previews: which prices were previewed, against which price book.

The proof is a hidden field of the form. Saving requires the proof of exactly these
prices, and that no price of the same products and meters was changed since.
"""

from collections.abc import Sequence

from metrics.commands.rates import IncomingRate
from metrics.models import PriceBook
from orgs.commands.proofs import Values, is_signed, sign_values
from orgs.models import WhiteLabel

_VERSION_DIGITS = 10


def book_version(white_label: WhiteLabel) -> int:
    """Return the version of a white label's price book; 0 before its first price."""
    books = PriceBook.objects.filter(white_label=white_label)
    return books.values_list("version", flat=True).first() or 0


def sign_preview(
    white_label: WhiteLabel, rates: Sequence[IncomingRate], version: int
) -> str:
    """Return the proof that these prices were previewed at a version of the book."""
    return f"{version}:{sign_values(_values(white_label, rates, version))}"


def read_preview(
    proof: str, white_label: WhiteLabel, rates: Sequence[IncomingRate]
) -> int | None:
    """Return the version of the book of a preview; None if these were not previewed."""
    text, _, signature = proof.partition(":")
    if not (text.isascii() and text.isdigit() and len(text) <= _VERSION_DIGITS):
        return None
    values = _values(white_label, rates, int(text))
    return int(text) if is_signed(signature, values) else None


def _values(
    white_label: WhiteLabel, rates: Sequence[IncomingRate], version: int
) -> Values:
    rows = [
        [
            *(rate.product, rate.meter, rate.organization_id, rate.effective_from),
            *(rate.unit_price, rate.benchmark_unit_price, rate.price_unit.name),
        ]
        for rate in rates
    ]
    return {"white_label": white_label.pk, "version": version, "rates": rows}
