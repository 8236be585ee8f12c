"""Prices of the price book, as the API lists them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from metrics.models import Rate


@dataclass(frozen=True, slots=True)
class RateFacts:
    """A price of a unit of a meter.

    `organization` is the external id of the only organization it applies to, or null.
    """

    product: str
    meter: str
    unit_price: Decimal
    benchmark_unit_price: Decimal
    effective_from: datetime | None
    organization: str | None
    unit: str


def list_rates(
    white_label_id: int,
    *,
    organization_id: int | None = None,
    product: str | None = None,
    limit: int,
    offset: int = 0,
) -> list[RateFacts]:
    """Return a page of the current price book, ordered by product and meter.

    With `organization_id`, only the rates that may apply to that organization: its
    special rates and the general ones.
    """
    rates = Rate.objects.current().filter(white_label_id=white_label_id)
    if organization_id is not None:
        rates = rates.filter(Q(organization=None) | Q(organization_id=organization_id))
    if product is not None:
        rates = rates.filter(product=product)
    rows = rates.order_by("product", "meter", "organization_id", "effective_from", "id")
    return [
        RateFacts(*row)
        for row in rows.values_list(
            "product",
            "meter",
            "unit_price",
            "benchmark_unit_price",
            "effective_from",
            "organization__external_id",
            "unit",
        )[offset : offset + limit]
    ]
