"""The units that prices are stated for, such as 1M tokens, GPU-hour, or GB-month. Pure.

A unit is written as an optional number and a noun: `token`, `1M tokens`, `1,000
requests`, `GPU-hour`, `GiB-month`. A month is 365/12 days, or 730 hours, in every
price: 12 months are a year, and a price is the same in February and March.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache

from metrics.catalog import METERS, Meter, Unit
from orgs.errors import InputRejected

# A stated price has up to 12 digits before and 24 after the point.
PRICE_INTEGER_DIGITS, PRICE_PLACES = 12, 24
# The price of a single token, second, or byte-day has up to 48 decimal places. Amounts
# are shown to 24 places: the places between are guard digits, which keep sums of up to
# 10^23 such units exact.
BASE_PRICE_PLACES = 48
_CONTEXT = Context(prec=200)

_TIMES = {
    "second": Fraction(1, 86_400),
    "minute": Fraction(1, 1_440),
    "hour": Fraction(1, 24),
    "day": Fraction(1),
    "month": Fraction(365, 12),
    "year": Fraction(365),
}
_TIME_ALIASES = {
    "s": "second",
    "sec": "second",
    "min": "minute",
    "h": "hour",
    "hr": "hour",
    "d": "day",
    "mo": "month",
}
_SIZES = {
    "byte": 1,
    **{f"{prefix}B": 10 ** (3 * n) for n, prefix in enumerate("kMGTP", start=1)},
    **{f"{prefix}iB": 2 ** (10 * n) for n, prefix in enumerate("KMGTP", start=1)},
}
_SCALES = {
    "k": 10**3,
    "thousand": 10**3,
    "m": 10**6,
    "million": 10**6,
    "b": 10**9,
    "billion": 10**9,
}
_PREFIXES = {"gpu_seconds": "GPU", "cpu_seconds": "CPU"}
_TEXT = re.compile(
    r"(?:per )?(?:(?P<count>[0-9][0-9,]{0,20}) ?)?"
    r"(?:(?P<scale>thousand|million|billion|[kmb](?= )) ?)?(?P<noun>[a-z][a-z -]*)"
)
_MAX_COUNT = 10**15
NO_PRICE = "none"  # as the price of a line that ends the price before it
_SHORT_COUNT = 10**6  # from here on, millions are written as 1M


@dataclass(frozen=True, slots=True)
class PriceUnit:
    """A unit of a meter: its name as it is stored and shown, and its size.

    `size` is how many base units (tokens, requests, seconds, bytes, byte-days) it has.
    """

    name: str
    size: Fraction

    def base_price(self, price: Decimal) -> Decimal:
        """Return the price of a base unit, rounded to 48 decimal places."""
        exact = Fraction(price) / self.size
        quotient = _CONTEXT.divide(Decimal(exact.numerator), Decimal(exact.denominator))
        last_place = Decimal(1).scaleb(-BASE_PRICE_PLACES)
        rounded = quotient.quantize(last_place, None, _CONTEXT)
        return rounded.normalize(_CONTEXT) if rounded else Decimal(0)


@lru_cache(maxsize=1_000)
def parse_unit(text: str, meter: str) -> PriceUnit:
    """Return the unit of a price of a meter; empty text is the meter's base unit.

    Raises `InputRejected` with the code `invalid_unit` for anything else than a unit of
    the meter, and names some that are.
    """
    known = METERS[meter]
    nouns = _nouns(known)
    if not text.strip():
        return next(iter(nouns.values()))
    match = _TEXT.fullmatch(" ".join(text.replace("/", " ").split()).lower())
    noun = nouns.get(_singular(match["noun"], nouns)) if match else None
    count = _count(match["count"], match["scale"]) if match else 0
    if noun is None or not 0 < count <= _MAX_COUNT:
        examples = ", ".join(unit_examples(meter))
        raise InputRejected(
            "invalid_unit",
            f"unit is {text[:50]!r}; it must be a unit of {meter}, such as {examples}.",
        )
    return PriceUnit(_name(noun.name, count), noun.size * count)


def unit_examples(meter: str) -> tuple[str, ...]:
    """Return some units of a meter, the base unit first."""
    match METERS[meter].unit:
        case Unit.TOKENS:
            return "token", "1,000 tokens", "1M tokens"
        case Unit.COUNT:
            return "request", "1,000 requests", "1M requests"
        case Unit.SECONDS:
            prefix = _prefix(METERS[meter])
            return tuple(f"{prefix}{time}" for time in ("second", "minute", "hour"))
        case Unit.BYTES:
            return "byte", "GB", "GiB"
        case Unit.BYTE_DAYS:
            return "byte-day", "GB-month", "GiB-month"


def display_unit(meter: str) -> PriceUnit | None:
    """Return the unit in which pages state average prices of a meter.

    None for a meter that is not in the catalog.
    """
    if meter not in METERS:
        return None
    names = {
        Unit.TOKENS: "1M tokens",
        Unit.COUNT: "1,000 requests",
        Unit.SECONDS: f"{_prefix(METERS[meter])}hour",
        Unit.BYTES: "GB",
        Unit.BYTE_DAYS: "GB-month",
    }
    return parse_unit(names[METERS[meter].unit], meter)


def _prefix(meter: Meter) -> str:
    name = _PREFIXES.get(meter.slug)
    return f"{name}-" if name else ""


def _count(text: str | None, scale: str | None) -> int:
    return int((text or "1").replace(",", "") or 0) * _SCALES.get(scale or "", 1)


def _name(noun: str, count: int) -> str:
    if count == 1:
        return noun
    is_short = count >= _SHORT_COUNT and not count % _SHORT_COUNT
    number = f"{count // _SHORT_COUNT:,}M" if is_short else f"{count:,}"
    is_size = noun in _SIZES and noun != "byte"
    return f"{number} {noun}" if is_size else f"{number} {noun}s"


def _singular(noun: str, nouns: Mapping[str, PriceUnit]) -> str:
    """Return the noun in the form of the keys of `nouns`: no plural, no hyphen."""
    joined = noun.strip().replace("-", " ")
    return joined if joined in nouns else joined.removesuffix("s")


def _nouns(meter: Meter) -> dict[str, PriceUnit]:
    """Return the units of a meter by every spelling; the base unit comes first."""
    match meter.unit:
        case Unit.TOKENS:
            units = {"token": 1, "tok": 1, "ktok": 10**3, "mtok": 10**6}
            return {
                spelling: PriceUnit(_name("token", size), Fraction(size))
                for spelling, size in units.items()
            }
        case Unit.COUNT:
            unit = PriceUnit("request", Fraction(1))
            return dict.fromkeys(("request", "call", "unit"), unit)
        case Unit.SECONDS:
            return _time_nouns(meter)
        case Unit.BYTES:
            return {
                name.lower(): PriceUnit(name, Fraction(size))
                for name, size in _SIZES.items()
            }
        case Unit.BYTE_DAYS:
            return _storage_nouns()


def _time_nouns(meter: Meter) -> dict[str, PriceUnit]:
    prefix = _prefix(meter)
    units = {
        name: PriceUnit(f"{prefix}{name}", size * 86_400)
        for name, size in _TIMES.items()
    }
    units |= {alias: units[name] for alias, name in _TIME_ALIASES.items()}
    prefixes = [prefix.lower().replace("-", " ")] if prefix else []
    if prefix == "CPU-":
        prefixes += ["vcpu ", "core "]
    return units | {
        f"{before}{name}": unit for before in prefixes for name, unit in units.items()
    }


def _storage_nouns() -> dict[str, PriceUnit]:
    times = {name: name for name in ("day", "hour", "month", "year")}
    times |= {alias: name for alias, name in _TIME_ALIASES.items() if name in times}
    return {
        f"{size.lower()} {spelling}": PriceUnit(
            f"{size}-{time}", _SIZES[size] * _TIMES[time]
        )
        for size in _SIZES
        for spelling, time in times.items()
    }


def check_price(price: Decimal, text: str, name: str) -> None:
    """Raise `InputRejected` for a price that is negative, too large, or too precise.

    `text` is the price as it was written, `name` its field.
    """
    given = f"{name} is {text[:50]};"
    if not price.is_finite() or price < 0:
        raise InputRejected(f"invalid_{name}", f"{given} it must be 0 or more.")
    if price >= 10**PRICE_INTEGER_DIGITS:
        raise InputRejected(
            "out_of_range", f"{given} it must be below 10^{PRICE_INTEGER_DIGITS}."
        )
    if price.normalize(_CONTEXT) != round_price(price):
        raise InputRejected(
            "too_precise",
            f"{given} it can have at most {PRICE_PLACES} decimal places. State it for a"
            " larger unit, such as 1M tokens or GB-month.",
        )


def round_price(price: Decimal) -> Decimal:
    """Return the price with 24 decimal places."""
    return price.quantize(Decimal(1).scaleb(-PRICE_PLACES), None, _CONTEXT)
