"""Form fields of quantities in natural units: `8 TiB`, `1500 h`, `12`.

The value is the integer that the tables have: bytes, seconds, or a count. Separators
and exponents are refused, because "1,500" is one and a half in half of the world.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from django import forms

from orgs.catalog import MONEY_DIGITS, MONEY_PLACES

_LARGEST = 2**63 - 1
_PLACES = 3  # of a quantity that is shown in a larger unit


class QuantityField(forms.CharField):
    """A quantity with a unit; empty is None, which means no limit."""

    units: ClassVar[Mapping[str, int]] = {"": 1}  # by name, the default one first
    example = "12"

    def __init__(self, *, largest: int = _LARGEST, **options: Any) -> None:
        self.largest = largest
        options = {"required": False, "max_length": 40, **options}
        super().__init__(**{"help_text": self._help(), **options})

    def _help(self) -> str:
        units = ", ".join(name for name in self.units if name)
        unit = f"Units: {units}. " if units else ""
        return f"{unit}Leave empty for no limit."

    def prepare_value(self, value: Any) -> Any:
        """Return a quantity as a person would write it."""
        return self.format(value) if isinstance(value, int) else value

    def format(self, value: int) -> str:
        """Return a quantity in the largest unit that states it exactly."""
        for name, size in sorted(self.units.items(), key=lambda unit: -unit[1]):
            amount = Decimal(value) / size
            if amount >= 1 and round(amount, _PLACES) == amount:
                return f"{amount.normalize():f} {name}".strip()
        return f"{value} {min(self.units, key=lambda name: self.units[name])}".strip()

    def clean(self, value: Any) -> int | None:
        """Return the quantity in the unit of the tables; raise `ValidationError`."""
        text = " ".join((super().clean(value) or "").split())
        if not text:
            return None
        number, unit = _split(text)
        size = self._size(unit)
        if not _is_plain(number):
            raise forms.ValidationError(
                f"Write a plain number such as {self.example}, without separators or"
                " exponents."
            )
        quantity = round(Decimal(number) * size)
        if quantity > self.largest:
            raise forms.ValidationError("This is too large.")
        return quantity

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether the text states another quantity than the initial one."""
        return bool(super().has_changed(self.prepare_value(initial), data))

    def _size(self, unit: str) -> int:
        names = {name.lower(): size for name, size in self.units.items()}
        if not unit:
            return next(iter(self.units.values()))
        if unit.lower() not in names:
            known = ", ".join(name for name in self.units if name)
            raise forms.ValidationError(
                f"“{unit}” is not a unit here. Use {known}."
                if known
                else "Write a number without a unit."
            )
        return names[unit.lower()]


class BytesField(QuantityField):
    """Bytes, written in TiB unless another unit is stated."""

    units: ClassVar[Mapping[str, int]] = {
        "TiB": 1 << 40,
        "GiB": 1 << 30,
        "MiB": 1 << 20,
        "KiB": 1 << 10,
        "TB": 10**12,
        "GB": 10**9,
        "MB": 10**6,
        "B": 1,
    }
    example = "8 or 8.5 TiB"

    def format(self, value: int) -> str:
        """Return bytes in the largest binary unit that states them exactly."""
        binary = {name: size for name, size in self.units.items() if "i" in name}
        for name, size in binary.items():
            amount = Decimal(value) / size
            if amount >= 1 and round(amount, _PLACES) == amount:
                return f"{amount.normalize():f} {name}"
        return f"{value} B"


class HoursField(QuantityField):
    """Seconds, written in hours unless another unit is stated."""

    units: ClassVar[Mapping[str, int]] = {"h": 3_600, "min": 60, "s": 1}
    example = "1500 or 2.5 h"


class CountField(QuantityField):
    """A count without a unit; a fraction is refused."""

    example = "12"

    def clean(self, value: Any) -> int | None:
        """Return the count; raise `ValidationError`."""
        if isinstance(value, str) and "." in value and _is_plain(value.strip()):
            raise forms.ValidationError("Write a whole number.")
        return super().clean(value)


class MoneyField(forms.CharField):
    """An amount in the currency of the page; empty or 0 is None, which is no limit."""

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput({"inputmode": "decimal", "autocomplete": "off"})
        options = {"required": False, "max_length": 40, "widget": widget, **options}
        super().__init__(**options)

    def prepare_value(self, value: Any) -> Any:
        """Return an amount without zeros at its end."""
        return f"{value.normalize():f}" if isinstance(value, Decimal) else value

    def clean(self, value: Any) -> Decimal | None:
        """Return the amount; raise `ValidationError` for other ways to write it."""
        text = super().clean(value) or ""
        if not text:
            return None
        if not _is_plain(text):
            raise forms.ValidationError(
                "Write a plain amount such as 1500 or 1500.50, without separators,"
                " exponents, or a currency."
            )
        amount = Decimal(text)
        exponent = amount.normalize().as_tuple().exponent
        if amount >= Decimal(10) ** (MONEY_DIGITS - MONEY_PLACES):
            raise forms.ValidationError("This is too large.")
        if isinstance(exponent, int) and -exponent > MONEY_PLACES:
            raise forms.ValidationError(
                f"Write at most {MONEY_PLACES} digits after the point."
            )
        return amount or None


def _split(text: str) -> tuple[str, str]:
    """Return the number and the unit of a text, such as `8` and `TiB` of `8 TiB`."""
    end = len(text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%"))
    number = text[:end].rstrip()
    return (number, text[end:]) if number else (text, "")


def _is_plain(text: str) -> bool:
    whole, point, fraction = text.partition(".")
    return text.isascii() and whole.isdecimal() and (not point or fraction.isdecimal())
