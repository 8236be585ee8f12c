"""Amounts of money: rounded once, by the currency's own minor unit. Pure."""

from decimal import ROUND_HALF_EVEN, Decimal

from orgs.catalog import CURRENCY_DIGITS


def round_money(amount: Decimal, currency: str) -> Decimal:
    """The amount in whole minor units, halves to even; for invoices only.

    Raises `KeyError` for a currency whose minor unit is not known.
    """
    return amount.quantize(
        Decimal(1).scaleb(-CURRENCY_DIGITS[currency]), ROUND_HALF_EVEN
    )
