"""Template filters that format numbers and times: one per unit, a dash for None."""

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
    """Format an amount: `$1,234.56`.

    Less than a minor unit is shown with two significant digits: `$0.0042`.
    """
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
    """Format a number with all its digits: `1,234` or `1,234.5`."""
    if number is None:
        return UNKNOWN
    value = _exact(number)
    return _sign(value) + _plain(_size(value))


@register.filter
def compact(number: Number | None) -> str:
    """Format a number with three significant digits: `12.3k`.

    For tiles and tables; `exact` shows the exact value on hover.
    """
    if number is None:
        return UNKNOWN
    value = _exact(number)
    size = _size(value)
    for unit, suffix in _COMPACT:
        # 999,950 and more would round to `1000k`.
        if size * 10_000 >= unit * 9995:
            return f"{_sign(value)}{_three_digits(size, unit)}{suffix}"
    return _sign(value) + _three_digits(size)


@register.filter
def tokens(number: Number | None) -> str:
    """Format a number of tokens: `12.3M tokens`."""
    return _with_noun(number, "token")


@register.filter
def requests(number: Number | None) -> str:
    """Format a number of requests: `4.1k requests`."""
    return _with_noun(number, "request")


@register.filter(name="bytes")
def byte_size(number: Number | None) -> str:
    """Format a number of bytes in powers of 1,024: `1.5 TiB`."""
    if number is None:
        return UNKNOWN
    value = _exact(number)
    size, power = _size(value), 0
    # 1,023.5 and more would round to `1,024 B`.
    while size * 2 >= 2047 * 1024**power and power < len(_BINARY) - 1:
        power += 1
    return f"{_sign(value)}{_three_digits(size, 1024**power)} {_BINARY[power]}"


@register.filter
def duration(seconds: Number | None) -> str:
    """Format seconds: `45 s`, `12 min`, `1,234.5 h`.

    Hours are the largest unit, as on invoices.
    """
    if seconds is None:
        return UNKNOWN
    value = _exact(seconds)
    size = _size(value)
    if size >= _HOUR:
        return f"{_sign(value)}{_ratio(size, _HOUR, 1)} h"
    if size >= _MINUTE:
        return f"{_sign(value)}{_ratio(size, _MINUTE, 1)} min"
    return f"{_sign(value)}{_three_digits(size)} s"


@register.filter
def percent(ratio: Number | None) -> str:
    """Format a ratio as a percentage: 0.184 is `18.4%`."""
    if ratio is None:
        return UNKNOWN
    value = _decimal(ratio) * 100
    return f"{_sign(value)}{_plain(_rounded(abs(value), 1))}%"


@register.filter
def change(ratio: Number | None) -> str:
    """Format a relative change: `↑ 18.4%`, `→ 0%`.

    The arrow shows the direction only, not whether the change is good.
    """
    if ratio is None:
        return UNKNOWN
    text = percent(abs(_decimal(ratio)))
    if text == "0%":
        return "→ 0%"
    return f"{'↑' if ratio > 0 else '↓'} {text}"


@register.filter
def day(value: date | None) -> str:
    """Format a date without its year: `Nov 21`."""
    return UNKNOWN if value is None else f"{_MONTHS[value.month - 1]} {value.day}"


@register.filter
def day_year(value: date | None) -> str:
    """Format a date: `Nov 21, 2026`."""
    if value is None:
        return UNKNOWN
    return f"{_MONTHS[value.month - 1]} {value.day}, {value.year}"


@register.filter
def month_year(value: date) -> str:
    """Format a month: `Nov 2026`."""
    return f"{_MONTHS[value.month - 1]} {value.year}"


@register.filter
def instant(value: datetime | None, zone: tzinfo | str = UTC) -> str:
    """Format an instant in a time zone: `Nov 21, 2026, 14:05 CET`."""
    if value is None:
        return UNKNOWN
    local = value.astimezone(ZoneInfo(zone) if isinstance(zone, str) else zone)
    return f"{day_year(local)}, {local:%H:%M %Z}"


def days_left(days: int) -> str:
    """Return `today`, `tomorrow`, or `in 2 days` for a result of `days_until`.

    The only text of days left, on pages and in emails.
    """
    number = f"{abs(days)} day{'' if abs(days) == 1 else 's'}"
    if days < 0:
        return f"{number} ago"
    return {0: "today", 1: "tomorrow"}.get(days, f"in {number}")


UNITS: dict[str, Callable[[Number | None], str]] = {
    "count": count,
    "compact": compact,
    "tokens": tokens,
    "requests": requests,
    "bytes": byte_size,
    "seconds": duration,
    "percent": percent,
}


@register.simple_tag
def exact(
    value: Number | None,
    unit: str,
    currency: str = "usd",
    *,
    number: str = "",
    of: object = "",
) -> SafeString | str:
    """Render a rounded number; hovering over it shows the exact one.

    `number` is the definition of the number, such as `invoice.total`, and `of` whose it
    is: on all pages, equal ones have one value. A test reads them.
    """
    if value is None:
        return UNKNOWN
    if unit == "money":
        shown = money(value, currency)
        amount = _exact(value)
        title = f"{_sign(amount)}{_symbol(currency)}{_plain(_size(amount))}"
    else:
        shown, title = UNITS[unit](value), _with_all_digits(value, unit)
    return SafeString(
        f'<data value="{value}" title="{escape(title)}"'
        f"{_definition(number, of, value, currency if unit == 'money' else unit)}"
        f">{escape(shown)}</data>"
    )


@register.simple_tag
def defined(
    shown: str, value: object, unit: str = "count", *, number: str, of: object = ""
) -> SafeString:
    """Render a text with the definition and the value of what it says, as `exact` does.

    For what is not only a number: days left, days, and texts with a unit.
    """
    return SafeString(
        f'<data value="{escape(str(value))}" data-number="{escape(number)}"'
        f' data-of="{escape(str(of))}" data-value="{escape(str(value))}"'
        f' data-unit="{escape(unit)}">{escape(shown)}</data>'
    )


def _definition(number: str, of: object, value: Number, unit: str) -> str:
    """Return the attributes that name a number's definition, and its exact value."""
    if not number:
        return ""
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    return (
        f' data-number="{escape(number)}" data-of="{escape(str(of))}"'
        f' data-value="{text}" data-unit="{escape(unit)}"'
    )


@register.simple_tag
def moment(value: datetime | None, zone: tzinfo | str = UTC) -> SafeString | str:
    """Render an instant: `Nov 21, 14:05`; hovering shows the year and the zone."""
    if value is None:
        return UNKNOWN
    local = value.astimezone(ZoneInfo(zone) if isinstance(zone, str) else zone)
    title = escape(instant(local, local.tzinfo or UTC))
    return SafeString(
        f'<time datetime="{local.isoformat()}" title="{title}">'
        f"{day(local)}, {local:%H:%M}</time>"
    )


@register.simple_tag
def clock(value: datetime, zone: tzinfo | str = UTC) -> SafeString:
    """Render the time of an instant: `14:05:09`; hovering shows the date and zone."""
    local = value.astimezone(ZoneInfo(zone) if isinstance(zone, str) else zone)
    title = escape(instant(local, local.tzinfo or UTC))
    return SafeString(
        f'<time datetime="{local.isoformat()}" title="{title}">{local:%H:%M:%S}</time>'
    )


@register.simple_tag
def date_of(value: datetime | None, zone: tzinfo | str = UTC) -> SafeString | str:
    """Render the date of an instant: `Nov 21, 2026`; hovering shows the time."""
    if value is None:
        return UNKNOWN
    local = value.astimezone(ZoneInfo(zone) if isinstance(zone, str) else zone)
    title = escape(instant(local, local.tzinfo or UTC))
    return SafeString(
        f'<time datetime="{local.isoformat()}" title="{title}">{day_year(local)}</time>'
    )


def _with_all_digits(value: Number, unit: str) -> str:
    """Return the exact number with its unit."""
    if unit == "percent":
        return f"{count(_decimal(value) * 100)}%"
    names = {"count": "", "compact": "", "seconds": "s"}
    return f"{count(value)} {names.get(unit, unit)}".rstrip()


def _with_noun(number: Number | None, noun: str) -> str:
    if number is None:
        return UNKNOWN
    return f"{compact(number)} {noun}{'' if number == 1 else 's'}"


def _exact(number: Number) -> int | Decimal:
    """Return an int or a `Decimal`; arithmetic of ints takes a fifth of the time."""
    return number if isinstance(number, int) else _decimal(number)


def _decimal(number: Number) -> Decimal:
    return Decimal(str(number)) if isinstance(number, float) else Decimal(number)


def _rounded(size: Decimal, digits: int) -> Decimal:
    quantum = _QUANTA[digits] if digits < len(_QUANTA) else Decimal(1).scaleb(-digits)
    return size.quantize(quantum, ROUND_HALF_UP, _WIDE)


def _three_digits(size: int | Decimal, unit: int = 1) -> str:
    """Format `size / unit` with three significant digits.

    Trailing zeros are dropped; whole numbers of more than three digits keep them all.
    """
    if isinstance(size, int):
        digits = next((n for n in range(3) if size >= 10 ** (2 - n) * unit), 3)
        return _ratio(size, unit, digits)
    size /= unit
    return _plain(_rounded(size, max(0, 2 - size.adjusted()))) if size else "0"


def _ratio(size: int | Decimal, unit: int, digits: int) -> str:
    """Format `size / unit`, rounded half up, grouped and without trailing zeros."""
    if isinstance(size, Decimal):
        return _plain(_rounded(size / unit, digits))
    scale = 10**digits
    whole, rest = divmod((2 * size * scale + unit) // (2 * unit), scale)
    return f"{whole:,}.{rest:0{digits}}".rstrip("0") if rest else f"{whole:,}"


def _plain(size: int | Decimal) -> str:
    """Format a number, grouped, without an exponent and without trailing zeros."""
    text = f"{size:,}" if isinstance(size, int) else f"{size:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _size(value: int | Decimal) -> int | Decimal:
    return abs(value) if isinstance(value, int) else value.copy_abs()


def _sign(value: int | Decimal) -> str:
    return _MINUS if value < 0 else ""


def _symbol(currency: str) -> str:
    return CURRENCY_SYMBOLS.get(currency.lower(), f"{currency.upper()} ")
