"""Arithmetic of money: bills, and rounding to the currency's minor unit.

Pure functions. Exact amounts have up to 48 decimal places, of which the last 24 are
guard digits; code that adds or subtracts them does so inside `with exactly():`, and
only amounts of invoices are rounded.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal, localcontext
from fractions import Fraction
from functools import cache

from orgs.catalog import CURRENCY_DIGITS
from orgs.decimals import round_guard_digits

ZERO = Decimal(0)
_BALANCE_PLACES = 12
_PRECISION = 120  # Python's default of 28 digits rounds the sum of a large fleet
# Stripe counts these in hundredths although they have no minor unit: it accepts whole
# amounts only.
_WITHOUT_MINOR_UNIT = frozenset({"isk", "ugx"})
_THREE_DIGITS = 3


def exactly() -> AbstractContextManager[Context]:
    """Return a context manager in which arithmetic of money does not lose digits."""
    return localcontext(prec=_PRECISION)


def is_limit_reached(payable: Decimal, limit: Decimal | None) -> bool:
    """Return whether a payable cost reaches a spending limit; None or 0 is no limit.

    The rule of the SQL that evaluates limits: a cost that equals the limit reaches it.
    """
    return limit is not None and limit > 0 and payable >= limit


@cache
def smallest_charge(currency: str) -> Decimal:
    """Return the smallest amount that Stripe can charge, in major units.

    It is the minor unit, except for three-decimal currencies, which Stripe charges in
    multiples of ten minor units. Raises `KeyError` for an unknown currency.
    """
    unit = minor_unit(currency)
    return unit * 10 if CURRENCY_DIGITS[currency] == _THREE_DIGITS else unit


@cache
def minor_unit(currency: str) -> Decimal:
    """Return the minor unit of a currency, such as 0.01, in major units.

    Raises `KeyError` for an unknown currency.
    """
    if currency in _WITHOUT_MINOR_UNIT:
        return Decimal(1)
    return Decimal(1).scaleb(-CURRENCY_DIGITS[currency])


def round_money(amount: Decimal, currency: str) -> Decimal:
    """Round an amount to one that can be charged, halves to even.

    Only amounts of invoices are rounded. Raises `KeyError` for an unknown currency.
    """
    return _round(amount, currency, ROUND_HALF_EVEN)


def round_down(amount: Decimal, currency: str) -> Decimal:
    """Round an amount down to one that can be charged."""
    return _round(amount, currency, ROUND_DOWN)


def _round(amount: Decimal, currency: str, rounding: str) -> Decimal:
    unit = smallest_charge(currency)
    with exactly():
        units = (round_guard_digits(amount) / unit).to_integral_value(rounding)
        return (units * unit).quantize(Decimal(1).scaleb(-CURRENCY_DIGITS[currency]))


def allocate(
    total: Decimal, parts: Mapping[str, Decimal], currency: str
) -> dict[str, Decimal]:
    """Divide a rounded total among exact parts by the largest remainder method.

    The returned amounts sum to the total, and each is less than one unit from its exact
    share. Among equal remainders the first by name gets the unit. No part is negative;
    the parts need not sum to the total, but it must be 0 if all of them are.
    """
    if not any(parts.values()):
        return dict.fromkeys(parts, round_money(ZERO, currency))
    if len(parts) == 1:
        return dict.fromkeys(parts, round_money(total, currency))
    unit = Fraction(smallest_charge(currency))
    units = int(Fraction(total) / unit)
    sum_of_parts = sum(map(Fraction, parts.values()))
    shares = {
        name: units * Fraction(part) / sum_of_parts for name, part in parts.items()
    }
    counts = {name: int(share) for name, share in shares.items()}
    by_remainder = sorted(parts, key=lambda name: (counts[name] - shares[name], name))
    for name in by_remainder[: units - sum(counts.values())]:
        counts[name] += 1
    with exactly():
        return {
            name: round_money(n * smallest_charge(currency), currency)
            for name, n in counts.items()
        }


@dataclass(frozen=True, slots=True)
class Bill:
    """The bill of a period: what the balances pay, and the lines to charge.

    `lines` are by product and sum to `usage`, the exact cost less the free balance,
    rounded once. Credit pays whole units of that and never more.
    """

    cost: Decimal  # exact
    free_balance_used: Decimal  # to 12 decimal places, as balances are kept
    usage: Decimal  # rounded
    credit_used: Decimal  # rounded down
    lines: Mapping[str, Decimal]  # rounded

    @property
    def total(self) -> Decimal:
        return self.usage - self.credit_used


def compute_bill(
    costs: Mapping[str, Decimal],
    currency: str,
    *,
    free_balance: Decimal = ZERO,
    credit: Decimal = ZERO,
) -> Bill:
    """Return the bill for exact costs by product.

    The free balance pays first, exactly; then the rest is rounded, and credit pays of
    that. Both balances are what is available, and may exceed what is used.
    """
    with exactly():
        cost = sum(costs.values(), ZERO)
        free_balance_used = min(round(cost, _BALANCE_PLACES), free_balance)
        usage = round_money(cost - free_balance_used, currency)
    return Bill(
        cost=cost,
        free_balance_used=free_balance_used,
        usage=usage,
        credit_used=min(usage, round_down(max(credit, ZERO), currency)),
        lines=allocate(usage, costs, currency),
    )
