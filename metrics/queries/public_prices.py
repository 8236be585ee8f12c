"""Public list prices that come with Orgdesk, as a beginning for a price book."""

import csv
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

_FILE = Path(__file__).resolve().parent.parent / "data" / "public_prices.csv"
CURRENCY = "usd"


@dataclass(frozen=True, slots=True)
class PublicPrice:
    """What a provider asks for a unit of a meter, in US dollars, on a day."""

    meter: str
    unit_price: Decimal
    unit: str
    as_of: date
    source: str


@dataclass(frozen=True, slots=True)
class PublicProduct:
    """A model or GPU of a provider with its prices."""

    provider: str
    name: str
    prices: tuple[PublicPrice, ...]


@cache
def public_products() -> dict[str, PublicProduct]:
    """Return the products by name, in the order of the list."""
    prices: dict[tuple[str, str], list[PublicPrice]] = {}
    with _FILE.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = row["provider"], row["product"]
            prices.setdefault(key, []).append(_price(row))
    return {
        name: PublicProduct(provider, name, tuple(of_product))
        for (provider, name), of_product in prices.items()
    }


def _price(row: dict[str, str]) -> PublicPrice:
    return PublicPrice(
        row["meter"],
        Decimal(row["unit_price"]),
        row["unit"],
        date.fromisoformat(row["as_of"]),
        row["source"],
    )
