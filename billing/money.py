"""Amounts of money: rounded once, by the currency's own minor unit. Pure.

Exact amounts have twelve places; sums and differences of them are made `exactly`.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal, localcontext
from fractions import Fraction

from orgs.catalog import CURRENCY_DIGITS

ZERO = Decimal(0)
_DIGITS = 100  # Python's own 28 round the sum of a large fleet's costs
# Two digits in Stripe and none in the world: amounts are whole all the same.
_WHOLE = frozenset({"isk", "ugx"})
_THREE_DIGITS = 3


def exactly() -> AbstractContextManager[Context]:
    """Within it no sum, difference or quantising of money is rounded by accident."""
    return localcontext(prec=_DIGITS)


def smallest(currency: str) -> Decimal:
    """The smallest amount that can be charged, in major units.

    The minor unit, but for three-decimal currencies: Stripe charges those in tens.
    Raises `KeyError` for a currency whose minor unit is not known.
    """
    digits = CURRENCY_DIGITS[currency]
    if currency in _WHOLE:
        return Decimal(1)
    unit = Decimal(1).scaleb(-digits)
    return unit * 10 if digits == _THREE_DIGITS else unit


def round_money(amount: Decimal, currency: str) -> Decimal:
    """The amount as it can be charged, halves to even; for invoices only.

    Raises `KeyError` for a currency whose minor unit is not known.
    """
    return _whole(amount, currency, ROUND_HALF_EVEN)


def round_down(amount: Decimal, currency: str) -> Decimal:
    """The most of it that can be charged."""
    return _whole(amount, currency, ROUND_DOWN)


def _whole(amount: Decimal, currency: str, rounding: str) -> Decimal:
    unit = smallest(currency)
    with exactly():
        units = (amount / unit).to_integral_value(rounding)
        return (units * unit).quantize(Decimal(1).scaleb(-CURRENCY_DIGITS[currency]))


def split(
    total: Decimal, parts: Mapping[str, Decimal], currency: str
) -> dict[str, Decimal]:
    """A rounded total over exact parts, none of them negative, by largest remainder.

    Amounts sum to the total, and each is less than one unit from its exact share. Of
    equal remainders the first in the order of names gets the unit. The parts need not
    sum to the total; if all are 0, so must the total be.
    """
    if not any(parts.values()):
        return dict.fromkeys(parts, round_money(ZERO, currency))
    unit, whole = Fraction(smallest(currency)), sum(map(Fraction, parts.values()))
    units = int(Fraction(total) / unit)
    shares = {name: units * Fraction(part) / whole for name, part in parts.items()}
    counts = {name: int(share) for name, share in shares.items()}
    by_remainder = sorted(parts, key=lambda name: (counts[name] - shares[name], name))
    for name in by_remainder[: units - sum(counts.values())]:
        counts[name] += 1
    with exactly():
        return {
            name: round_money(n * smallest(currency), currency)
            for name, n in counts.items()
        }


@dataclass(frozen=True, slots=True)
class Bill:
    """What a period's exact costs come to: what pays first, and lines to charge.

    `lines` are by product and sum to `usage`, the exact cost less the free balance,
    rounded once. Credits pay whole units of that and never more.
    """

    cost: Decimal
    free_balance_used: Decimal
    usage: Decimal
    credit_used: Decimal
    lines: Mapping[str, Decimal]

    @property
    def total(self) -> Decimal:
        return self.usage - self.credit_used


def bill(
    costs: Mapping[str, Decimal],
    currency: str,
    *,
    free_balance: Decimal = ZERO,
    credit: Decimal = ZERO,
) -> Bill:
    """The bill of exact costs by product; balances are what may pay for it."""
    with exactly():
        cost = sum(costs.values(), ZERO)
        free = min(cost, free_balance)
        usage = round_money(cost - free, currency)
    return Bill(
        cost=cost,
        free_balance_used=free,
        usage=usage,
        credit_used=min(usage, round_down(max(credit, ZERO), currency)),
        lines=split(usage, costs, currency),
    )
