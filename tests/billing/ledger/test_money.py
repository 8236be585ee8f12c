"""Tests of rounding once, and of allocations that sum to their total."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.money import (
    allocate,
    compute_bill,
    round_down,
    round_money,
    smallest_charge,
)
from orgs.catalog import CURRENCY_DIGITS

settings.register_profile("orgdesk", deadline=None, derandomize=True, database=None)
settings.load_profile("orgdesk")
currencies = st.sampled_from(["usd", "jpy", "kwd", "isk"])
costs = st.decimals(min_value=0, max_value=10**30, places=12)
products = st.dictionaries(st.sampled_from("abcdefghij"), costs, min_size=1)


def exact(amounts: dict[str, Decimal]) -> Fraction:
    return sum(map(Fraction, amounts.values()), Fraction(0))


@pytest.mark.slow
@given(products, currencies)
def test_an_allocation_sums_to_its_total_and_is_fair(
    parts: dict[str, Decimal], currency: str
) -> None:
    whole, unit = exact(parts), Fraction(smallest_charge(currency))
    total = compute_bill(parts, currency).usage
    lines = allocate(total, parts, currency)

    assert exact(lines) == total
    for name, amount in lines.items():
        share = Fraction(total) * Fraction(parts[name]) / whole if whole else 0
        assert amount >= 0
        assert abs(Fraction(amount) - share) < unit
        assert Fraction(amount) % unit == 0
    assert allocate(total, dict(reversed(parts.items())), currency) == lines


@pytest.mark.slow
@given(products, currencies, costs, costs)
def test_a_bill_adds_up_whatever_pays_for_it(
    parts: dict[str, Decimal], currency: str, free: Decimal, credit: Decimal
) -> None:
    bill = compute_bill(parts, currency, free_balance=free, credit=credit)

    assert Fraction(bill.cost) == exact(parts)
    assert 0 <= bill.free_balance_used <= min(bill.cost, free)
    rest = Fraction(bill.cost) - Fraction(bill.free_balance_used)
    assert abs(Fraction(bill.usage) - rest) <= Fraction(smallest_charge(currency)) / 2
    assert exact(dict(bill.lines)) == bill.usage
    assert 0 <= bill.credit_used <= min(bill.usage, credit)
    assert bill.total >= 0


@pytest.mark.parametrize(
    ("amount", "currency", "rounded", "down"),
    [
        ("2.345", "usd", "2.34", "2.34"),
        ("2.355", "usd", "2.36", "2.35"),
        ("0.019999999999", "usd", "0.02", "0.01"),
        ("7.5", "jpy", "8", "7"),
        ("5.124", "kwd", "5.120", "5.120"),
        ("5.126", "kwd", "5.130", "5.120"),
        ("11.5", "isk", "12.00", "11.00"),
        ("3.7", "ugx", "4.00", "3.00"),
        ("123456789012345678901234567890.005", "usd",
         "123456789012345678901234567890.00", "123456789012345678901234567890.00"),
    ],
)  # fmt: skip
def test_amounts_are_whole_units_of_their_currency(
    amount: str, currency: str, rounded: str, down: str
) -> None:
    assert str(round_money(Decimal(amount), currency)) == rounded
    assert str(round_down(Decimal(amount), currency)) == down


def test_currencies_are_those_that_stripe_charges() -> None:
    """More than 135, two digits unless listed."""
    assert len(CURRENCY_DIGITS) > 135
    two = "sar ngn kes pen egp pkr bgn mad lkr rsd uyu qar kzt isk ugx huf twd zmw xcg"
    assert {CURRENCY_DIGITS[code] for code in two.split()} == {2}
    assert {CURRENCY_DIGITS[code] for code in ("bhd", "jod", "kwd", "omr", "tnd")} == {
        3
    }
    assert {CURRENCY_DIGITS[code] for code in ("jpy", "mga", "xpf", "vuv")} == {0}


def test_every_currency_has_a_smallest_amount_and_others_none() -> None:
    assert {smallest_charge(code) for code in CURRENCY_DIGITS} == {
        Decimal("0.01"),
        Decimal(1),
    }
    with pytest.raises(KeyError):
        smallest_charge("xyz")


def test_lines_get_the_units_that_rounding_each_would_lose() -> None:
    parts = {name: Decimal("0.005") for name in "abc"}

    assert allocate(Decimal("0.02"), parts, "usd") == {
        "a": Decimal("0.01"),
        "b": Decimal("0.01"),
        "c": Decimal(0),
    }
    assert allocate(Decimal("7"), {"a": Decimal(1), "b": Decimal(2)}, "jpy") == {
        "a": 2,
        "b": 5,
    }
    assert allocate(Decimal(0), {"a": Decimal(0)}, "usd") == {"a": 0}


def test_free_balance_pays_before_credits_and_credits_pay_whole_units() -> None:
    parts = {"claude": Decimal("10.004"), "gpt": Decimal("30.012")}

    bill = compute_bill(parts, "usd", free_balance=Decimal(10), credit=Decimal("5.019"))

    assert bill.cost == Decimal("40.016")
    assert bill.free_balance_used == 10
    assert bill.usage == Decimal("30.02")
    assert bill.lines == {"claude": Decimal("7.51"), "gpt": Decimal("22.51")}
    assert bill.credit_used == Decimal("5.01")
    assert bill.total == Decimal("25.01")
