"""Changes of the price book; the costs of recorded usage stay as they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import F, Q

from metrics.commands.locks import LOCK_PRICE_BOOK, lock_key
from metrics.models import PriceBook, Rate
from metrics.units import PriceUnit, parse_unit
from orgs.commands.proofs import ChangedMeanwhile, TooLateToUndo
from orgs.models import WhiteLabel


@dataclass(frozen=True, slots=True)
class IncomingRate:
    """A price to be loaded; without `effective_from` it has always applied.

    Prices are for one `unit`, by default the meter's base unit. Without a `unit_price`
    it ends the price before it: usage from its start on is unpriced.
    """

    product: str
    meter: str
    unit_price: Decimal | None
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
def load_rates(
    white_label: WhiteLabel,
    rates: Sequence[IncomingRate],
    *,
    previewed_version: int | None = None,
) -> list[bool]:
    """Add rates to the price book; return for each whether it changed the book.

    A rate replaces the one with the same key; equal prices for the same unit change
    nothing. All changes of a call are one new version. Waits for recordings in flight,
    so that each event's cost is made of the rates of a single version.

    Raises `ChangedMeanwhile` if it would change the book, and a price of the same
    products and meters was added or removed after `previewed_version`.
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
    if changes:  # a form that is sent twice changes nothing the second time
        if previewed_version is not None:
            _require_unchanged(white_label, rates, previewed_version)
        _write(white_label, book.version + 1, changes.values(), current)
    return results


def _require_unchanged(
    white_label: WhiteLabel, rates: Sequence[IncomingRate], version: int
) -> None:
    pairs = {(rate.product, rate.meter) for rate in rates}
    later = Rate.objects.filter(
        Q(added_in__gt=version) | Q(removed_in__gt=version),
        white_label=white_label,
        product__in={product for product, _ in pairs},
    )
    if pairs & set(later.values_list("product", "meter")):
        raise ChangedMeanwhile


@transaction.atomic
def undo_rate(
    white_label: WhiteLabel, rate: IncomingRate, previous: IncomingRate | None
) -> None:
    """Take back a rate that was just added, and restore the one that it replaced.

    Events that were recorded meanwhile keep their price version. Raises `TooLateToUndo`
    if the rate in force with this key is another by now.
    """
    book = _lock_book(white_label)
    current = {_key(row): row for row in _current(white_label, [rate])}
    row = current.get(rate.key)
    if row is None or _prices(row) != _prices(rate):
        raise TooLateToUndo
    if previous is not None:
        _write(white_label, book.version + 1, [previous], current)
        return
    Rate.objects.filter(pk=row.pk).update(removed_in=book.version + 1)
    PriceBook.objects.filter(white_label=white_label).update(version=F("version") + 1)


def _lock_book(white_label: WhiteLabel) -> PriceBook:
    with connection.cursor() as cursor:
        cursor.execute(LOCK_PRICE_BOOK, {"white_label": lock_key(white_label.id)})
    return PriceBook.objects.get_or_create(white_label=white_label)[0]


def _current(white_label: WhiteLabel, rates: Sequence[IncomingRate]) -> Iterable[Rate]:
    products = {rate.product for rate in rates}
    return Rate.objects.current().filter(white_label=white_label, product__in=products)


def _key(rate: Rate) -> object:
    return rate.product, rate.meter, rate.organization_id, rate.effective_from


def _prices(rate: Rate | IncomingRate) -> tuple[Decimal | None, Decimal, str]:
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
        base_price=None
        if rate.unit_price is None
        else unit.base_price(rate.unit_price),
        base_benchmark_price=unit.base_price(rate.benchmark_unit_price),
        added_in=version,
    )
