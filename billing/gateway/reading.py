"""Reading an answer: every field that must be there is, or `Malformed` names its path.

A null is a null only where Stripe says null; a field that is not there never is one.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from billing.gateway.errors import Malformed
from orgs.catalog import CURRENCY_DIGITS

_EARLIEST, _LATEST = 946_684_800, 7_258_118_400  # the years 2000 to 2199
_HUGE = 2**63
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Node:
    """An object of an answer and where in it it is."""

    value: Mapping[str, Any]
    path: str

    @classmethod
    def of(cls, value: object, path: str) -> "Node":
        if not isinstance(value, Mapping):
            raise Malformed(path, "is no object")
        return cls(value, path)

    def named(self, kind: str) -> "Node":
        """The same, once it says that it is one of these; paths begin with that."""
        if self.value.get("object") != kind:
            raise Malformed(f"{kind}.object", f"is not {kind}")
        return Node(self.value, kind)

    def _at(self, name: str) -> Any:
        found = self.value.get(name, _ABSENT)
        if found is _ABSENT:
            raise Malformed(f"{self.path}.{name}", "is missing")
        return found

    def _wrong(self, name: str, wanted: str) -> Malformed:
        return Malformed(f"{self.path}.{name}", f"is no {wanted}")

    def has(self, name: str) -> bool:
        return self.value.get(name) is not None

    def is_null(self, name: str) -> bool:
        """The field must be there."""
        return self._at(name) is None

    def text(self, name: str) -> str:
        found = self._at(name)
        if not isinstance(found, str) or not found:
            raise self._wrong(name, "text")
        return found

    def nullable_text(self, name: str) -> str:
        """Empty for null."""
        found = self._at(name)
        if found is not None and not isinstance(found, str):
            raise self._wrong(name, "text")
        return found or ""

    def optional_text(self, name: str) -> str:
        """Empty also where Stripe leaves the field out."""
        return self.nullable_text(name) if name in self.value else ""

    def integer(self, name: str) -> int:
        found = self._at(name)
        if type(found) is not int or abs(found) >= _HUGE:
            raise self._wrong(name, "integer")
        return found

    def nullable_integer(self, name: str) -> int | None:
        return None if self.is_null(name) else self.integer(name)

    def boolean(self, name: str) -> bool:
        found = self._at(name)
        if type(found) is not bool:
            raise self._wrong(name, "boolean")
        return found

    def instant(self, name: str) -> datetime:
        found = self.integer(name)
        if not _EARLIEST <= found < _LATEST:
            raise self._wrong(name, "sane instant")
        return datetime.fromtimestamp(found, UTC)

    def nullable_instant(self, name: str) -> datetime | None:
        return None if self.is_null(name) else self.instant(name)

    def currency(self, name: str = "currency") -> str:
        found = self.text(name)
        if found not in CURRENCY_DIGITS:
            raise self._wrong(name, "currency we know the minor unit of")
        return found

    def word(self, name: str, words: Collection[str]) -> str:
        found = self.text(name)
        if found not in words:
            raise self._wrong(name, "word we know")
        return found

    def money(
        self, name: str, currency: str, *, at_least: int | None = None
    ) -> Decimal:
        found = self.integer(name)
        if at_least is not None and found < at_least:
            raise self._wrong(name, f"amount of {at_least} or more")
        return major(found, currency)

    def node(self, name: str) -> "Node":
        return Node.of(self._at(name), f"{self.path}.{name}")

    def nullable_node(self, name: str) -> "Node | None":
        return None if self.is_null(name) else self.node(name)

    def nodes(self, name: str) -> Iterator["Node"]:
        """Of a list of Stripe's: an object with `data`."""
        data = self.node(name)._at("data")
        if not isinstance(data, list):
            raise self._wrong(f"{name}.data", "list")
        for index, value in enumerate(data):
            yield Node.of(value, f"{self.path}.{name}.data[{index}]")

    def reference(self, name: str) -> str:
        """The id of another object, whether it came expanded or not."""
        found = self._at(name)
        if isinstance(found, Mapping):
            return self.node(name).text("id")
        return self.text(name)

    def nullable_reference(self, name: str) -> str:
        return "" if self.is_null(name) else self.reference(name)

    def metadata(self) -> dict[str, str]:
        """Stripe's are texts by texts; null for none."""
        found = self._at("metadata")
        if found is None:
            return {}
        if not isinstance(found, Mapping):
            raise self._wrong("metadata", "object")
        return {str(name): str(value) for name, value in found.items()}


def major(minor: int, currency: str) -> Decimal:
    """Stripe's integers are in the currency's minor unit; ours are what people say."""
    return Decimal(minor).scaleb(-CURRENCY_DIGITS[currency])


def minor(amount: Decimal, currency: str) -> int:
    """The reverse; raises `ValueError` for what is not whole in the minor unit."""
    scaled = amount.scaleb(CURRENCY_DIGITS[currency])
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} {currency} is not rounded")
    return int(scaled)
