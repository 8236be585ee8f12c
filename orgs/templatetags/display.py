"""Numbers for people: one filter per unit, pure, and a dash for what is not known."""

from collections.abc import Callable
from datetime import UTC, date, datetime, tzinfo
from decimal import ROUND_HALF_UP, Context, Decimal
from zoneinfo import ZoneInfo

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orgs.catalog import CURRENCY_DIGITS
from orgs.charts import CURRENCY_SYMBOLS

register = template.Library()

Number = int | float | Decimal
UNKNOWN = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"
_WIDE = Context(prec=100)  # huge sums must round, not raise
_MINUTE, _HOUR = 60, 3600

_COMPACT = (
    (Decimal(10) ** 12, "T"),
    (Decimal(10) ** 9, "B"),
    (Decimal(10) ** 6, "M"),
    (Decimal(10) ** 3, "k"),
)
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


@register.filter
def money(amount: Number | None, currency: str = "usd") -> str:
    """`$1,234.56`; less than a minor unit keeps two significant digits: `$0.0042`."""
    if amount is None:
        return UNKNOWN
    value = _decimal(amount)
    size = abs(value)
    digits = CURRENCY_DIGITS.get(currency.lower(), 2)
    if size and size < Decimal(1).scaleb(-digits):
        digits = 1 - size.adjusted()
    return _sign(value) + _symbol(currency) + _grouped(_rounded(size, digits))


@register.filter
def count(number: Number | None) -> str:
    """`1,234`, or `1,234.5` where there are fractions."""
    if number is None:
        return UNKNOWN
    value = _decimal(number)
    return _sign(value) + _grouped(_plain(abs(value)))


@register.filter
def compact(number: Number | None) -> str:
    """`12.3k`: three significant digits, for tiles; put the exact value on hover."""
    if number is None:
        return UNKNOWN
    value = _decimal(number)
    size = abs(value)
    for unit, suffix in _COMPACT:
        # 999,950 and more would round to `1000k`.
        if size >= unit * Decimal("0.9995"):
            return f"{_sign(value)}{_grouped(_three(size / unit))}{suffix}"
    return _sign(value) + _three(size)


@register.filter
def tokens(number: Number | None) -> str:
    """`12.3M tokens`."""
    return _named(number, "token")


@register.filter
def requests(number: Number | None) -> str:
    """`4.1k requests`."""
    return _named(number, "request")


@register.filter(name="bytes")
def byte_size(number: Number | None) -> str:
    """`1.5 TiB`: powers of 1,024, as entitlements are counted."""
    if number is None:
        return UNKNOWN
    value = _decimal(number)
    size, power = abs(value), 0
    while size >= Decimal("1023.5") and power < len(_BINARY) - 1:
        size, power = size / 1024, power + 1
    return f"{_sign(value)}{_grouped(_three(size))} {_BINARY[power]}"


@register.filter
def duration(seconds: Number | None) -> str:
    """`45 s`, `12 min`, `1,234.5 h`: hours are the largest unit on a bill."""
    if seconds is None:
        return UNKNOWN
    value = _decimal(seconds)
    size = abs(value)
    if size >= _HOUR:
        return f"{_sign(value)}{_grouped(_plain(_rounded(size / _HOUR, 1)))} h"
    if size >= _MINUTE:
        return f"{_sign(value)}{_plain(_rounded(size / _MINUTE, 1))} min"
    return f"{_sign(value)}{_three(size)} s"


@register.filter
def percent(ratio: Number | None) -> str:
    """`18.4%` of the ratio 0.184."""
    if ratio is None:
        return UNKNOWN
    value = _decimal(ratio) * 100
    return f"{_sign(value)}{_grouped(_plain(_rounded(abs(value), 1)))}%"


@register.filter
def change(ratio: Number | None) -> str:
    """`↑ 18.4%`: the arrow says which way, never whether that is good."""
    if ratio is None:
        return UNKNOWN
    text = percent(abs(_decimal(ratio)))
    if text == "0%":
        return "→ 0%"
    return f"{'↑' if ratio > 0 else '↓'} {text}"


@register.filter
def day(value: date | None) -> str:
    """`Nov 21`."""
    return UNKNOWN if value is None else f"{value:%b} {value.day}"


@register.filter
def day_year(value: date | None) -> str:
    """`Nov 21, 2026`."""
    return UNKNOWN if value is None else f"{day(value)}, {value.year}"


@register.filter
def instant(value: datetime | None, zone: tzinfo | str = UTC) -> str:
    """`Nov 21, 2026, 14:05 CET`: an instant is nothing without its zone."""
    if value is None:
        return UNKNOWN
    local = value.astimezone(ZoneInfo(zone) if isinstance(zone, str) else zone)
    return f"{day_year(local)}, {local:%H:%M %Z}"


_UNITS: dict[str, Callable[[Number | None], str]] = {
    "count": count,
    "compact": compact,
    "tokens": tokens,
    "requests": requests,
    "bytes": byte_size,
    "seconds": duration,
    "percent": percent,
}


@register.simple_tag
def exact(value: Number | None, unit: str, currency: str = "usd") -> SafeString | str:
    """Wrap the readable number so that the exact one is there on hover."""
    if value is None:
        return UNKNOWN
    if unit == "money":
        shown = money(value, currency)
        whole = _sign(_decimal(value)) + _symbol(currency) + count(abs(_decimal(value)))
    else:
        shown, whole = _UNITS[unit](value), _whole(value, unit)
    return format_html('<data value="{}" title="{}">{}</data>', value, whole, shown)


@register.simple_tag
def moment(value: datetime | None, zone: tzinfo | str = UTC) -> SafeString | str:
    """`Nov 21, 14:05`, with the year, the zone and the machine's form on hover."""
    if value is None:
        return UNKNOWN
    local = value.astimezone(ZoneInfo(zone) if isinstance(zone, str) else zone)
    return format_html(
        '<time datetime="{}" title="{}">{}, {}</time>',
        local.isoformat(),
        instant(value, zone),
        day(local),
        f"{local:%H:%M}",
    )


@register.simple_tag
def date_of(value: datetime | None, zone: tzinfo | str = UTC) -> SafeString | str:
    """`Nov 21, 2026`, where the hour matters only on hover."""
    if value is None:
        return UNKNOWN
    local = value.astimezone(ZoneInfo(zone) if isinstance(zone, str) else zone)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(),
        instant(value, zone),
        day_year(local),
    )


def _whole(value: Number, unit: str) -> str:
    if unit == "percent":
        return f"{count(_decimal(value) * 100)}%"
    names = {"count": "", "compact": "", "seconds": "s"}
    return f"{count(value)} {names.get(unit, unit)}".rstrip()


def _named(number: Number | None, noun: str) -> str:
    if number is None:
        return UNKNOWN
    return f"{compact(number)} {noun}{'' if number == 1 else 's'}"


def _decimal(number: Number) -> Decimal:
    return Decimal(str(number)) if isinstance(number, float) else Decimal(number)


def _rounded(size: Decimal, digits: int) -> Decimal:
    return size.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _WIDE)


def _three(size: Decimal) -> str:
    """Three significant digits; fewer where the rest are zeros, more where whole."""
    if not size:
        return "0"
    return _plain(_rounded(size, max(0, 2 - size.adjusted())))


def _plain(size: Decimal) -> str:
    """Without an exponent and without trailing zeros."""
    text = f"{size:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _grouped(size: Decimal | str) -> str:
    whole, dot, fraction = str(
        f"{size:f}" if isinstance(size, Decimal) else size
    ).partition(".")
    return f"{int(whole):,}{dot}{fraction}"


def _sign(value: Decimal) -> str:
    return _MINUS if value < 0 else ""


def _symbol(currency: str) -> str:
    return CURRENCY_SYMBOLS.get(currency.lower(), f"{currency.upper()} ")
