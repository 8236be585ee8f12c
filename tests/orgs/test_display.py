"""Formats of displayed values by unit: none, zero, and very large.

Dashes and minus signs are typographic on purpose.
"""
# ruff: noqa: RUF001

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from orgs.web.templatetags import display

D = Decimal
HUGE = 10**30


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (None, "usd", "–"),
        (0, "usd", "$0.00"),
        (D("1234.56"), "usd", "$1,234.56"),
        (D("7183.445"), "usd", "$7,183.45"),
        (D("-5"), "eur", "−€5.00"),
        (D("0.01"), "usd", "$0.01"),
        (D("0.0042"), "usd", "$0.0042"),
        (D("0.000000123456"), "usd", "$0.00000012"),
        (D("-0.0042"), "usd", "−$0.0042"),
        (D("1234.4"), "jpy", "¥1,234"),
        (D("0.4"), "jpy", "¥0.40"),
        (D("12.3456"), "kwd", "KWD 12.346"),
        (D("99.5"), "CHF", "CHF 99.50"),
        (HUGE, "usd", "$1,000,000,000,000,000,000,000,000,000,000.00"),
    ],
)
def test_money_keeps_its_currency_and_small_amounts(
    amount: Any, currency: str, text: str
) -> None:
    assert display.money(amount, currency) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "–"),
        (0, "0"),
        (1234, "1,234"),
        (-1234, "−1,234"),
        (D("1234.50"), "1,234.5"),
        (HUGE, "1,000,000,000,000,000,000,000,000,000,000"),
    ],
)
def test_count_is_exact(number: Any, text: str) -> None:
    assert display.count(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "–"),
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (1000, "1k"),
        (12345, "12.3k"),
        (-12345, "−12.3k"),
        (999_949, "1M"),
        (999_400, "999k"),
        (1_234_000_000, "1.23B"),
        (D("0.00456"), "0.00456"),
        (5 * 10**16, "50,000T"),
    ],
)
def test_compact_keeps_three_digits(number: Any, text: str) -> None:
    assert display.compact(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "–"),
        (0, "0 tokens"),
        (1, "1 token"),
        (12_345_678, "12.3M tokens"),
        (-11, "−11 tokens"),
    ],
)
def test_tokens_are_named(number: Any, text: str) -> None:
    assert display.tokens(number) == text


def test_requests_are_named() -> None:
    assert display.requests(4100) == "4.1k requests"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "–"),
        (0, "0 B"),
        (512, "512 B"),
        (1023, "1,023 B"),
        (1024, "1 KiB"),
        (1_099_511_627_776, "1 TiB"),
        (1_649_267_441_664, "1.5 TiB"),
        (-1_610_612_736, "−1.5 GiB"),
        (2**63 - 1, "8 EiB"),
        (2**80, "1,048,576 EiB"),
    ],
)
def test_bytes_are_binary(number: Any, text: str) -> None:
    assert display.byte_size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0 s"),
        (45, "45 s"),
        (D("0.25"), "0.25 s"),
        (90, "1.5 min"),
        (3600, "1 h"),
        (4_444_200, "1,234.5 h"),
        (-7200, "−2 h"),
    ],
)
def test_duration_ends_at_hours(seconds: Any, text: str) -> None:
    assert display.duration(seconds) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (None, "–"),
        (0, "0%"),
        (D("0.184"), "18.4%"),
        (D("-0.5"), "−50%"),
        (0.07, "7%"),
        (123, "12,300%"),
    ],
)
def test_percent_reads_a_ratio(ratio: Any, text: str) -> None:
    assert display.percent(ratio) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (None, "–"),
        (0, "→ 0%"),
        (D("0.0001"), "→ 0%"),
        (D("0.184"), "↑ 18.4%"),
        (D("-0.031"), "↓ 3.1%"),
        (11, "↑ 1,100%"),
    ],
)
def test_change_shows_its_direction(ratio: Any, text: str) -> None:
    assert display.change(ratio) == text


def test_days_have_names() -> None:
    assert display.day(date(2026, 11, 1)) == "Nov 1"
    assert display.day_year(date(2026, 11, 21)) == "Nov 21, 2026"
    assert display.day(None) == display.day_year(None) == "–"


def test_instant_names_its_zone() -> None:
    at = datetime(2026, 11, 21, 23, 5, 9, tzinfo=UTC)

    assert display.instant(at) == "Nov 21, 2026, 23:05 UTC"
    assert display.instant(at, "Europe/Zurich") == "Nov 22, 2026, 00:05 CET"
    assert display.instant(None) == "–"


def test_moment_has_a_machine_readable_time() -> None:
    at = datetime(2026, 7, 5, 9, 5, tzinfo=UTC)

    assert display.moment(at, "Europe/Zurich") == (
        '<time datetime="2026-07-05T11:05:00+02:00"'
        ' title="Jul 5, 2026, 11:05 CEST">Jul 5, 11:05</time>'
    )
    assert display.moment(None) == "–"


@pytest.mark.parametrize(
    ("value", "unit", "html"),
    [
        (None, "money", "–"),
        (
            D("7183.445000000001"),
            "money",
            (
                '<data value="7183.445000000001" title="$7,183.445000000001">'
                "$7,183.45</data>"
            ),
        ),
        (
            12_345_678,
            "tokens",
            '<data value="12345678" title="12,345,678 tokens">12.3M tokens</data>',
        ),
        (
            1_649_267_441_664,
            "bytes",
            (
                '<data value="1649267441664" title="1,649,267,441,664 bytes">'
                "1.5 TiB</data>"
            ),
        ),
        (90, "seconds", '<data value="90" title="90 s">1.5 min</data>'),
        (
            D("0.18412"),
            "percent",
            '<data value="0.18412" title="18.412%">18.4%</data>',
        ),
    ],
)
def test_exact_value_is_on_hover(value: Any, unit: str, html: str) -> None:
    assert display.exact(value, unit) == html
