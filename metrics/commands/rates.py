"""Changing the price book; recorded costs stay as they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection, transaction

from metrics.models import PriceBook, Rate
from orgs.models import WhiteLabel


@dataclass(frozen=True, slots=True)
class IncomingRate:
    """A price of one unit; `effective_from` null holds from the beginning."""

    product: str
    meter: str
    unit_price: Decimal
    benchmark_unit_price: Decimal
    effective_from: datetime | None = None
    organization_id: int | None = None

    @property
    def key(self) -> tuple[str, str, int | None, datetime | None]:
        return self.product, self.meter, self.organization_id, self.effective_from

    @property
    def prices(self) -> tuple[Decimal, Decimal]:
        return self.unit_price, self.benchmark_unit_price


@transaction.atomic
def load_rates(white_label: WhiteLabel, rates: Sequence[IncomingRate]) -> list[bool]:
    """Put rates into the book; answers which changed it.

    A rate for a start that has one replaces it, equal prices change nothing. Waits for
    recordings in flight, so that every event's cost is made of one version's rates.
    """
    book = _lock_book(white_label)
    current = {_key(rate): rate for rate in _current(white_label, rates)}
    changes: dict[object, IncomingRate] = {}
    answers = []
    for rate in rates:
        before = changes.get(rate.key) or current.get(rate.key)
        is_new = before is None or _prices(before) != rate.prices
        if is_new:
            changes[rate.key] = rate
        answers.append(is_new)
    if changes:
        _write(white_label, book.version + 1, changes.values(), current)
    return answers


def _lock_book(white_label: WhiteLabel) -> PriceBook:
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_advisory_xact_lock(hashtext('price book'), %s)",
            [white_label.id % 2**31],
        )
    return PriceBook.objects.get_or_create(white_label=white_label)[0]


def _current(white_label: WhiteLabel, rates: Sequence[IncomingRate]) -> Iterable[Rate]:
    products = {rate.product for rate in rates}
    return Rate.objects.current().filter(white_label=white_label, product__in=products)


def _key(rate: Rate) -> object:
    return rate.product, rate.meter, rate.organization_id, rate.effective_from


def _prices(rate: Rate | IncomingRate) -> tuple[Decimal, Decimal]:
    return rate.unit_price, rate.benchmark_unit_price


def _write(
    white_label: WhiteLabel,
    version: int,
    changes: Iterable[IncomingRate],
    current: dict[object, Rate],
) -> None:
    changes = list(changes)
    replaced = [current[rate.key].pk for rate in changes if rate.key in current]
    Rate.objects.filter(pk__in=replaced).update(removed_in=version)
    Rate.objects.bulk_create(
        Rate(
            white_label=white_label,
            organization_id=rate.organization_id,
            product=rate.product,
            meter=rate.meter,
            effective_from=rate.effective_from,
            unit_price=rate.unit_price,
            benchmark_unit_price=rate.benchmark_unit_price,
            added_in=version,
        )
        for rate in changes
    )
    PriceBook.objects.filter(white_label=white_label).update(version=version)
