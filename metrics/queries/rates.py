"""Prices of the price book, as the API lists them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise

from django.db.models import F, Q
from django.db.models.fields.tuple_lookups import TupleGreaterThan

from metrics.models import Rate
from orgs.days import day_of
from orgs.models import Organization


@dataclass(frozen=True, slots=True)
class RateFacts:
    """A price of a unit of a meter; without a `unit_price`, its end.

    `organization` is the external id of the only organization it applies to, or null.
    """

    id: int
    product: str
    meter: str
    unit_price: Decimal | None
    benchmark_unit_price: Decimal
    effective_from: datetime | None
    organization: str | None
    unit: str

    @property
    def key(self) -> "RateKey":
        return self.product, self.meter, self.id


# What rates are ordered by.
RateKey = tuple[str, str, int]
_ORDER = ("product", "meter", "id")


def list_rates(
    white_label_id: int,
    *,
    organization_id: int | None = None,
    product: str | None = None,
    limit: int,
    after: RateKey | None = None,
) -> list[RateFacts]:
    """Return a page of the current price book, ordered by product and meter.

    `after` is the key of the last rate of the page before. With `organization_id`, only
    the rates that may apply to that organization: its special rates and the general
    ones.
    """
    rates = Rate.objects.current().filter(white_label_id=white_label_id)
    if organization_id is not None:
        rates = rates.filter(Q(organization=None) | Q(organization_id=organization_id))
    if product is not None:
        rates = rates.filter(product=product)
    if after is not None:
        rates = rates.filter(TupleGreaterThan(tuple(map(F, _ORDER)), after))
    return [
        RateFacts(*row)
        for row in rates.order_by(*_ORDER).values_list(
            "id",
            "product",
            "meter",
            "unit_price",
            "benchmark_unit_price",
            "effective_from",
            "organization__external_id",
            "unit",
        )[:limit]
    ]


def list_price_changes(
    organization: Organization, products: Iterable[str], *, since: date, until: date
) -> dict[tuple[str, str], list[date]]:
    """Return the days on which a price changed, by product and meter; one query.

    Days are those of the white label, after `since` and before `until`. The first price
    of a meter is no change. A rate of the organization replaces the general ones from
    its start on.
    """
    rows = Rate.objects.current().filter(
        Q(organization=None) | Q(organization=organization),
        white_label_id=organization.white_label_id,
        product__in=set(products),
    )
    by_meter: dict[tuple[str, str], list[Rate]] = {}
    for rate in rows.order_by("effective_from", "id"):
        by_meter.setdefault((rate.product, rate.meter), []).append(rate)
    zone = organization.white_label.zone
    changes = {
        meter: [
            day
            for day in (day_of(at, zone) for at in _change_instants(rates))
            if since < day < until
        ]
        for meter, rates in by_meter.items()
    }
    return {meter: days for meter, days in changes.items() if days}


def _change_instants(rates: Sequence[Rate]) -> list[datetime]:
    """Return the starts of prices that differ from the price before, oldest first."""
    special = [rate for rate in rates if rate.organization_id is not None]
    starts = [_start(rate) for rate in special]
    in_force = [
        rate
        for rate in rates
        if rate.organization_id is None and (not starts or _start(rate) < min(starts))
    ] + special
    ordered = sorted(in_force, key=_start)
    return [
        rate.effective_from
        for before, rate in pairwise(ordered)
        if rate.effective_from and rate.base_price != before.base_price
    ]


def _start(rate: Rate) -> float:
    """Return when a rate starts, in seconds; minus infinity if it always applied."""
    if rate.effective_from is None:
        return float("-inf")
    return rate.effective_from.timestamp()
