"""Typed access to the fields of a Stripe answer.

A field that must be present and is not, or has another type, raises `Malformed` with
its path. Null is accepted only where Stripe's documentation allows it, and a missing
field is never read as null.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from billing.gateway.errors import Malformed
from orgs.catalog import CURRENCY_DIGITS, currency_code

_EARLIEST, _LATEST = 946_684_800, 7_258_118_400  # the years 2000 to 2199
_INTEGER_LIMIT = 2**63
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Node:
    """JSON object in a Stripe answer, with its path in the answer."""

    value: Mapping[str, Any]
    path: str

    @classmethod
    def from_value(cls, value: object, path: str) -> "Node":
        """Return the node of a value; raise `Malformed` if it is not an object."""
        if not isinstance(value, Mapping):
            raise Malformed(path, "is not an object")
        return cls(value, path)

    def as_kind(self, kind: str) -> "Node":
        """Return this node with paths that begin with `kind`.

        Raises `Malformed` if its field `object` names another kind.
        """
        if self.value.get("object") != kind:
            raise Malformed(f"{kind}.object", f"is not {kind}")
        return Node(self.value, kind)

    def _field(self, name: str) -> Any:
        value = self.value.get(name, _ABSENT)
        if value is _ABSENT:
            raise Malformed(f"{self.path}.{name}", "is missing")
        return value

    def _malformed(self, name: str, expected: str) -> Malformed:
        return Malformed(f"{self.path}.{name}", f"is not {expected}")

    def has(self, name: str) -> bool:
        """Return whether a field is present and not null."""
        return self.value.get(name) is not None

    def is_null(self, name: str) -> bool:
        """Return whether a field, which must be present, is null."""
        return self._field(name) is None

    def text(self, name: str) -> str:
        """Return a text that is not empty."""
        value = self._field(name)
        if not isinstance(value, str) or not value:
            raise self._malformed(name, "a text")
        return value

    def nullable_text(self, name: str) -> str:
        """Return a text, empty for null."""
        value = self._field(name)
        if value is not None and not isinstance(value, str):
            raise self._malformed(name, "a text")
        return value or ""

    def optional_text(self, name: str) -> str:
        """Return a text, empty for null and where Stripe leaves the field out."""
        return self.nullable_text(name) if name in self.value else ""

    def integer(self, name: str) -> int:
        """Return an integer that fits into 64 bits."""
        value = self._field(name)
        if type(value) is not int or abs(value) >= _INTEGER_LIMIT:
            raise self._malformed(name, "an integer")
        return value

    def nullable_integer(self, name: str) -> int | None:
        """Return an integer or null."""
        return None if self.is_null(name) else self.integer(name)

    def boolean(self, name: str) -> bool:
        """Return a boolean."""
        value = self._field(name)
        if type(value) is not bool:
            raise self._malformed(name, "a boolean")
        return value

    def instant(self, name: str) -> datetime:
        """Return an instant in UTC between the years 2000 and 2199."""
        seconds = self.integer(name)
        if not _EARLIEST <= seconds < _LATEST:
            raise self._malformed(name, "an instant from 2000 to 2199")
        return datetime.fromtimestamp(seconds, UTC)

    def nullable_instant(self, name: str) -> datetime | None:
        """Return an instant in UTC, or null."""
        return None if self.is_null(name) else self.instant(name)

    def currency(self, name: str = "currency") -> str:
        """Return a currency code whose minor unit is known."""
        code = currency_code(self.text(name))
        if code not in CURRENCY_DIGITS:
            raise self._malformed(name, "a currency with a known minor unit")
        return code

    def choice(self, name: str, choices: Collection[str]) -> str:
        """Return a text that is one of `choices`."""
        value = self.text(name)
        if value not in choices:
            raise self._malformed(name, "a known value")
        return value

    def nullable_choice(self, name: str, choices: Collection[str]) -> str:
        """Return a text that is one of `choices`, empty for null."""
        return "" if self.is_null(name) else self.choice(name, choices)

    def money(
        self, name: str, currency: str, *, at_least: int | None = None
    ) -> Decimal:
        """Return an amount in major units; `at_least` is in minor units."""
        amount = self.integer(name)
        if at_least is not None and amount < at_least:
            raise self._malformed(name, f"an amount of {at_least} or more")
        return to_major(amount, currency)

    def node(self, name: str) -> "Node":
        """Return an object in a field."""
        return Node.from_value(self._field(name), f"{self.path}.{name}")

    def nullable_node(self, name: str) -> "Node | None":
        """Return an object in a field, or null."""
        return None if self.is_null(name) else self.node(name)

    def nodes(self, name: str) -> Iterator["Node"]:
        """Yield the objects of a Stripe list, which is an object with `data`."""
        data = self.node(name)._field("data")
        if not isinstance(data, list):
            raise self._malformed(f"{name}.data", "a list")
        for index, value in enumerate(data):
            yield Node.from_value(value, f"{self.path}.{name}.data[{index}]")

    def reference(self, name: str) -> str:
        """Return the id of another object, whether Stripe expanded it or not."""
        if isinstance(self._field(name), Mapping):
            return self.node(name).text("id")
        return self.text(name)

    def nullable_reference(self, name: str) -> str:
        """Return the id of another object, empty for null."""
        return "" if self.is_null(name) else self.reference(name)

    def metadata(self) -> dict[str, str]:
        """Return the object's metadata; Stripe writes null where there are none."""
        value = self._field("metadata")
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self._malformed("metadata", "an object")
        return {str(name): str(text) for name, text in value.items()}


def to_major(minor_units: int, currency: str) -> Decimal:
    """Convert Stripe's integer of minor units (cents) to major units (dollars)."""
    return Decimal(minor_units).scaleb(-CURRENCY_DIGITS[currency])


def to_minor(amount: Decimal, currency: str) -> int:
    """Convert major units to Stripe's integer of minor units.

    Raises `ValueError` for an amount that is not rounded to the minor unit.
    """
    scaled = amount.scaleb(CURRENCY_DIGITS[currency])
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} {currency} is not rounded")
    return int(scaled)
