"""Changes of the price book; the costs of recorded usage stay as they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection, transaction

from metrics.commands.locks import LOCK_PRICE_BOOK, lock_key
from metrics.models import PriceBook, Rate
from metrics.units import PriceUnit, parse_unit
from orgs.models import WhiteLabel


@dataclass(frozen=True, slots=True)
class IncomingRate:
    """A price to be loaded; without `effective_from` it has always applied.

    Prices are for one `unit`, by default the meter's base unit.
    """

    product: str
    meter: str
    unit_price: Decimal
    benchmark_unit_price: Decimal
    effective_from: datetime | None = None
    organization_id: int | None = None
    unit: str = ""

    @property
    def price_unit(self) -> PriceUnit:
        """The unit of the price; raises `InputRejected` for none of the meter."""
        return parse_unit(self.unit, self.meter)

    @property
    def key(self) -> tuple[str, str, int | None, datetime | None]:
        """What identifies the rate: product, meter, organization, and start."""
        return self.product, self.meter, self.organization_id, self.effective_from


@transaction.atomic
def load_rates(white_label: WhiteLabel, rates: Sequence[IncomingRate]) -> list[bool]:
    """Add rates to the price book; return for each whether it changed the book.

    A rate replaces the one with the same key; equal prices for the same unit change
    nothing. All changes of a call are one new version. Waits for recordings in flight,
    so that each event's cost is made of the rates of a single version.
    """
    book = _lock_book(white_label)
    current = {_key(rate): rate for rate in _current(white_label, rates)}
    changes: dict[object, IncomingRate] = {}
    results = []
    for rate in rates:
        previous = changes.get(rate.key) or current.get(rate.key)
        is_change = previous is None or _prices(previous) != _prices(rate)
        if is_change:
            changes[rate.key] = rate
        results.append(is_change)
    if changes:
        _write(white_label, book.version + 1, changes.values(), current)
    return results


def _lock_book(white_label: WhiteLabel) -> PriceBook:
    with connection.cursor() as cursor:
        cursor.execute(LOCK_PRICE_BOOK, {"white_label": lock_key(white_label.id)})
    return PriceBook.objects.get_or_create(white_label=white_label)[0]


def _current(white_label: WhiteLabel, rates: Sequence[IncomingRate]) -> Iterable[Rate]:
    products = {rate.product for rate in rates}
    return Rate.objects.current().filter(white_label=white_label, product__in=products)


def _key(rate: Rate) -> object:
    return rate.product, rate.meter, rate.organization_id, rate.effective_from


def _prices(rate: Rate | IncomingRate) -> tuple[Decimal, Decimal, str]:
    unit = rate.unit if isinstance(rate, Rate) else rate.price_unit.name
    return rate.unit_price, rate.benchmark_unit_price, unit


def _write(
    white_label: WhiteLabel,
    version: int,
    changes: Iterable[IncomingRate],
    current: dict[object, Rate],
) -> None:
    """Write the changes as a new version; replaced rates stay, marked as removed."""
    changes = list(changes)
    replaced = [current[rate.key].pk for rate in changes if rate.key in current]
    Rate.objects.filter(pk__in=replaced).update(removed_in=version)
    Rate.objects.bulk_create(_build(white_label, version, rate) for rate in changes)
    PriceBook.objects.filter(white_label=white_label).update(version=version)


def _build(white_label: WhiteLabel, version: int, rate: IncomingRate) -> Rate:
    unit = rate.price_unit
    return Rate(
        white_label=white_label,
        organization_id=rate.organization_id,
        product=rate.product,
        meter=rate.meter,
        effective_from=rate.effective_from,
        unit_price=rate.unit_price,
        benchmark_unit_price=rate.benchmark_unit_price,
        unit=unit.name,
        base_price=unit.base_price(rate.unit_price),
        base_benchmark_price=unit.base_price(rate.benchmark_unit_price),
        added_in=version,
    )
