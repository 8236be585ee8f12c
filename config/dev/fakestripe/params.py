"""Reading parameters: which names a call takes, and what their text means.

An empty text unsets a value, as on Stripe: it is read as None.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from config.dev.fakestripe import errors
from config.dev.fakestripe.forms import Tree
from orgs.catalog import CURRENCY_DIGITS

Reader = Callable[[str | Tree, str], Any]
Spec = dict[str, Reader]

_METADATA_KEYS, _KEY_LENGTH, _VALUE_LENGTH = 50, 40, 500
_LATEST = 4_102_444_800  # the year 2100
_LONGEST, _LONGEST_TEXT = 99_999_999, 5000


def read(
    tree: Tree,
    spec: Mapping[str, Reader],
    *,
    required: Sequence[str] = (),
    within: str = "",
) -> dict[str, Any]:
    """Return the given parameters, typed; refuse unknown and missing names."""
    for name in tree:
        if name not in spec:
            raise errors.unknown(_path(within, name))
    for name in required:
        if tree.get(name, "") == "":
            raise errors.missing(_path(within, name))
    return {
        name: _value(value, spec[name], _path(within, name))
        for name, value in tree.items()
    }


def _value(value: str | Tree, reader: Reader, name: str) -> Any:
    if value != "":
        return reader(value, name)
    if reader in _FILLED:
        raise errors.invalid(
            name,
            f"You passed an empty string for '{name}', which cannot be unset.",
            "parameter_invalid_empty",
        )
    return None


def _path(within: str, name: str) -> str:
    return f"{within}[{name}]" if within else name


def text(value: str | Tree, name: str) -> str:
    if not isinstance(value, str):
        raise errors.invalid(name, "Invalid string: {…}")
    if len(value) > _LONGEST_TEXT:
        raise errors.invalid(
            name, f"Invalid string: {value[:20]}…; at most {_LONGEST_TEXT} characters"
        )
    return value


def integer(value: str | Tree, name: str) -> int:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,15}", value):
        return int(value)
    raise errors.invalid(name, f"Invalid integer: {value}", "parameter_invalid_integer")


def quantity(value: str | Tree, name: str) -> int:
    number = integer(value, name)
    if not 0 <= number <= _LONGEST * 10:
        raise errors.invalid(name, "Invalid non-negative integer")
    return number


def amount(value: str | Tree, name: str) -> int:
    number = integer(value, name)
    if abs(number) > _LONGEST * 10_000:
        raise errors.invalid(name, "Amount is too large", "amount_too_large")
    return number


def decimal(value: str | Tree, name: str) -> str:
    try:
        return str(Decimal(text(value, name)))
    except InvalidOperation:
        raise errors.invalid(name, f"Invalid decimal: {value}") from None


def instant(value: str | Tree, name: str) -> int:
    """Seconds since 1970, up to the year 2100."""
    number = integer(value, name)
    if not 0 <= number <= _LATEST:
        raise errors.invalid(name, f"Invalid timestamp: {value}")
    return number


def boolean(value: str | Tree, name: str) -> bool:
    if value not in {"true", "false"}:
        raise errors.invalid(name, f"Invalid boolean: {value}")
    return value == "true"


def email(value: str | Tree, name: str) -> str:
    checked = text(value, name)
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", checked):
        raise errors.invalid(name, f"Invalid email address: {checked}", "email_invalid")
    return checked


# What has no empty state.
_FILLED: set[Reader] = {integer, quantity, amount, decimal, boolean}


def currency(value: str | Tree, name: str) -> str:
    checked = text(value, name).lower()
    if checked not in CURRENCY_DIGITS:
        raise errors.invalid(name, f"Invalid currency: {checked}")
    return checked


def choice(*choices: str) -> Reader:
    def reads(value: str | Tree, name: str) -> str:
        if value not in choices:
            raise errors.invalid(
                name, f"Invalid {name}: must be one of {', '.join(choices)}"
            )
        return str(value)

    _FILLED.add(reads)
    return reads


def either(word: str, other: Reader) -> Reader:
    """Accept a word such as `now` in place of a number."""

    def reads(value: str | Tree, name: str) -> Any:
        return word if value == word else other(value, name)

    return reads


def fields(spec: Mapping[str, Reader], *, required: Sequence[str] = ()) -> Reader:
    def reads(value: str | Tree, name: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise errors.invalid(name, "Invalid object")
        return read(value, spec, required=required, within=name)

    return reads


def many(inner: Reader) -> Reader:
    """`a[0]`, `a[1]` … or `a[]`: a list, in the order of its indexes."""

    def reads(value: str | Tree, name: str) -> list[Any]:
        if not isinstance(value, dict) or not all(key.isdecimal() for key in value):
            raise errors.invalid(name, "Invalid array")
        indexes = sorted(value, key=int)
        return [inner(value[key], f"{name}[{key}]") for key in indexes]

    return reads


def anything(value: str | Tree, name: str) -> Any:
    """Kept as it came: this fake does not look into it."""
    return value


def metadata(value: str | Tree, name: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise errors.invalid(name, "Invalid object")
    for key, text_ in value.items():
        if not isinstance(text_, str):
            raise errors.invalid(f"{name}[{key}]", "Metadata values must be strings")
        if len(key) > _KEY_LENGTH:
            raise errors.invalid(name, f"Metadata keys have at most {_KEY_LENGTH}")
        if len(text_) > _VALUE_LENGTH:
            raise errors.invalid(
                f"{name}[{key}]", f"Metadata values have at most {_VALUE_LENGTH}"
            )
    return {key: str(text_) for key, text_ in value.items()}


def merged(old: dict[str, str] | None, given: dict[str, str] | None) -> dict[str, str]:
    """Merge new keys over old ones; an empty value removes its key."""
    both = {**(old or {}), **given} if given is not None else {}
    checked = {key: value for key, value in both.items() if value != ""}
    if len(checked) > _METADATA_KEYS:
        raise errors.invalid("metadata", f"Metadata has at most {_METADATA_KEYS} keys")
    return checked


_RANGE: Spec = dict.fromkeys(("gt", "gte", "lt", "lte"), instant)


def span(value: str | Tree, name: str) -> dict[str, int]:
    """`created=5` or `created[gte]=5&created[lt]=9`."""
    if isinstance(value, str):
        return {"eq": instant(value, name)}
    return read(value, _RANGE, within=name)
