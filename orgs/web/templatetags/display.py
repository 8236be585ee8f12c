"""Numbers for people: one filter per unit, pure, and a dash for what is not known."""

from collections.abc import Callable
from datetime import UTC, date, datetime, tzinfo
from decimal import ROUND_HALF_UP, Context, Decimal
from html import escape
from zoneinfo import ZoneInfo

from django import template
from django.utils.safestring import SafeString

from orgs.catalog import CURRENCY_DIGITS
from orgs.web.charts import CURRENCY_SYMBOLS

register = template.Library()

Number = int | float | Decimal
UNKNOWN = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"
_WIDE = Context(prec=100)  # huge sums must round, not raise
_MINUTE, _HOUR = 60, 3600
_MONTHS = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_QUANTA = tuple(Decimal(1).scaleb(-digits) for digits in range(60))

_COMPACT = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


@register.filter
def money(amount: Number | None, currency: str = "usd") -> str:
    """`$1,234.56`; less than a minor unit keeps two significant digits: `$0.0042`."""
    if amount is None:
        return UNKNOWN
    value = _decimal(amount)
    size = abs(value)
    digits = CURRENCY_DIGITS.get(currency.lower(), 2)
    if size and size < _QUANTA[digits]:
        digits = 1 - size.adjusted()
    return f"{_sign(value)}{_symbol(currency)}{_rounded(size, digits):,f}"


@register.filter
def count(number: Number | None) -> str:
    """`1,234`, or `1,234.5` where there are fractions."""
    if number is None:
        return UNKNOWN
    value = _exactly(number)
    return _sign(value) + _plain(_size(value))


@register.filter
def compact(number: Number | None) -> str:
    """`12.3k`: three significant digits, for tiles; put the exact value on hover."""
    if number is None:
        return UNKNOWN
    value = _exactly(number)
    size = _size(value)
    for unit, suffix in _COMPACT:
        # 999,950 and more would round to `1000k`.
        if size * 10_000 >= unit * 9995:
            return f"{_sign(value)}{_three(size, unit)}{suffix}"
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
    value = _exactly(number)
    size, power = _size(value), 0
    # 1,023.5 and more would round to `1,024 B`.
    while size * 2 >= 2047 * 1024**power and power < len(_BINARY) - 1:
        power += 1
    return f"{_sign(value)}{_three(size, 1024**power)} {_BINARY[power]}"


@register.filter
def duration(seconds: Number | None) -> str:
    """`45 s`, `12 min`, `1,234.5 h`: hours are the largest unit on a bill."""
    if seconds is None:
        return UNKNOWN
    value = _exactly(seconds)
    size = _size(value)
    if size >= _HOUR:
        return f"{_sign(value)}{_ratio(size, _HOUR, 1)} h"
    if size >= _MINUTE:
        return f"{_sign(value)}{_ratio(size, _MINUTE, 1)} min"
    return f"{_sign(value)}{_three(size)} s"


@register.filter
def percent(ratio: Number | None) -> str:
    """`18.4%` of the ratio 0.184."""
    if ratio is None:
        return UNKNOWN
    value = _decimal(ratio) * 100
    return f"{_sign(value)}{_plain(_rounded(abs(value), 1))}%"


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
    return UNKNOWN if value is None else f"{_MONTHS[value.month - 1]} {value.day}"


@register.filter
def day_year(value: date | None) -> str:
    """`Nov 21, 2026`."""
    if value is None:
        return UNKNOWN
    return f"{_MONTHS[value.month - 1]} {value.day}, {value.year}"


@register.filter
def month_year(value: date) -> str:
    """`Nov 2026`."""
    return f"{_MONTHS[value.month - 1]} {value.year}"


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
        number = _exactly(value)
        whole = f"{_sign(number)}{_symbol(currency)}{_plain(_size(number))}"
    else:
        shown, whole = _UNITS[unit](value), _whole(value, unit)
    return SafeString(
        f'<data value="{value}" title="{escape(whole)}">{escape(shown)}</data>'
    )


@register.simple_tag
def moment(value: datetime | None, zone: tzinfo | str = UTC) -> SafeString | str:
    """`Nov 21, 14:05`, with the year, the zone and the machine's form on hover."""
    if value is None:
        return UNKNOWN
    local = value.astimezone(ZoneInfo(zone) if isinstance(zone, str) else zone)
    title = escape(instant(local, local.tzinfo or UTC))
    return SafeString(
        f'<time datetime="{local.isoformat()}" title="{title}">'
        f"{day(local)}, {local:%H:%M}</time>"
    )


@register.simple_tag
def date_of(value: datetime | None, zone: tzinfo | str = UTC) -> SafeString | str:
    """`Nov 21, 2026`, where the hour matters only on hover."""
    if value is None:
        return UNKNOWN
    local = value.astimezone(ZoneInfo(zone) if isinstance(zone, str) else zone)
    title = escape(instant(local, local.tzinfo or UTC))
    return SafeString(
        f'<time datetime="{local.isoformat()}" title="{title}">{day_year(local)}</time>'
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


def _exactly(number: Number) -> int | Decimal:
    """Whole numbers stay whole: their arithmetic costs a fifth of the decimals'."""
    return number if isinstance(number, int) else _decimal(number)


def _decimal(number: Number) -> Decimal:
    return Decimal(str(number)) if isinstance(number, float) else Decimal(number)


def _rounded(size: Decimal, digits: int) -> Decimal:
    quantum = _QUANTA[digits] if digits < len(_QUANTA) else Decimal(1).scaleb(-digits)
    return size.quantize(quantum, ROUND_HALF_UP, _WIDE)


def _three(size: int | Decimal, unit: int = 1) -> str:
    """Three significant digits; fewer where the rest are zeros, more where whole."""
    if isinstance(size, int):
        digits = next((n for n in range(3) if size >= 10 ** (2 - n) * unit), 3)
        return _ratio(size, unit, digits)
    size /= unit
    return _plain(_rounded(size, max(0, 2 - size.adjusted()))) if size else "0"


def _ratio(size: int | Decimal, unit: int, digits: int) -> str:
    """Rounded half up, as money is; grouped, without trailing zeros."""
    if isinstance(size, Decimal):
        return _plain(_rounded(size / unit, digits))
    scale = 10**digits
    whole, rest = divmod((2 * size * scale + unit) // (2 * unit), scale)
    return f"{whole:,}.{rest:0{digits}}".rstrip("0") if rest else f"{whole:,}"


def _plain(size: int | Decimal) -> str:
    """Grouped; without an exponent and without trailing zeros."""
    text = f"{size:,}" if isinstance(size, int) else f"{size:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _size(value: int | Decimal) -> int | Decimal:
    return abs(value) if isinstance(value, int) else value.copy_abs()


def _sign(value: int | Decimal) -> str:
    return _MINUS if value < 0 else ""


def _symbol(currency: str) -> str:
    return CURRENCY_SYMBOLS.get(currency.lower(), f"{currency.upper()} ")
