"""Exact decimals: their precision, and how they are written.

Amounts of money are computed with more decimal places than are shown: prices such as
$1 per hour have no exact price of a second. The additional places are guard digits, so
that 3,600 seconds are $1 again.
"""

import decimal
from decimal import Decimal

SHOWN_PLACES = 24  # decimal places of amounts that are written or compared
_PRECISION = 120  # significant digits, more than any sum has
_SHOWN = Decimal(1).scaleb(-SHOWN_PLACES)
_CONTEXT = decimal.Context(prec=_PRECISION)


def keep_all_digits() -> None:
    """Make sums of decimals exact in this thread and in those that start after it.

    Python rounds to 28 significant digits by default.
    """
    decimal.DefaultContext.prec = _PRECISION
    decimal.getcontext().prec = _PRECISION


def round_guard_digits(amount: Decimal) -> Decimal:
    """Return an amount rounded to 24 decimal places."""
    return amount.quantize(_SHOWN, decimal.ROUND_HALF_EVEN, _CONTEXT)


def plain(amount: Decimal | int) -> str:
    """Return a number as text: without guard digits, exponent, or trailing zeros."""
    if isinstance(amount, int):
        return str(amount)
    text = f"{amount:f}"
    whole, point, places = text.partition(".")
    if not point:
        return text
    if len(places) > SHOWN_PLACES:
        whole, _, places = f"{round_guard_digits(amount):f}".partition(".")
    places = places.rstrip("0")
    if places:
        return f"{whole}.{places}"
    return "0" if whole == "-0" else whole
