"""Bodies of contract C's overview, items and deployments.

Amounts are in the white label's currency where the contract has ECU. Its dimension
`capacity` is compute and tokens, `storage_bytes` is storage; the other four are 0, as
no meter maps to them. A deployment is a project.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import ceil
from typing import Any, Literal

import orjson
from django.utils import timezone
from ninja import Schema
from pydantic import AwareDatetime, Field

from metrics.catalog import METERS, Dimension, Unit
from metrics.periods import DayRange, hours_elapsed
from metrics.queries.items import CostItem, Deployment, costs_by_dimension
from metrics.schemas.charts import digits, number
from orgs.days import first_instant
from orgs.models import WhiteLabel
from orgs.web.templatetags import display

MAX_INT64 = 2**63 - 1
_PLACES = Decimal(1).scaleb(-12)
_PRICE_PLACES = Decimal(1).scaleb(-24)  # of a byte-day, say
_COST = "Cost in the white label's currency, unrounded."
_UNPRICED = (
    "The quantity for which there was no rate; it is not in the cost. Left out if all"
    " of it has a price."
)
_SKU = "White label, product, and meter, separated by dots."


class DimensionCostOut(Schema):
    """The cost of one dimension."""

    type: Dimension = Field(
        description="`capacity` is compute and tokens, `storage_bytes` is storage; the"
        " others are not used."
    )
    cost: float = Field(description=_COST)


class CostsOut(Schema):
    """Costs in total and by dimension."""

    total: float = Field(description=_COST)
    dimensions: list[DimensionCostOut] = Field(
        min_length=6,
        max_length=6,
        description="All six dimensions, including those without cost.",
    )


class QuantityOut(Schema):
    """How much was used."""

    value: int = Field(ge=0, le=MAX_INT64, description="Whole units of the meter.")
    formatted_value: str = Field(description="The quantity with its unit, as text.")


class UnitRateOut(Schema):
    """The average price of a unit."""

    value: float = Field(description="Average cost per unit in the range.")
    formatted_value: str = Field(description="The price with its currency, as text.")


class StorageItemOut(Schema):
    """Usage of one storage meter by one product."""

    cost: float = Field(description=_COST)
    name: str = Field(description="Product and meter, as a label for people.")
    sku: str = Field(description=_SKU)
    type: Dimension = Field(description="The cost dimension of the meter.")
    quantity: QuantityOut = Field(description="How much was used.")
    unpriced_quantity: int = Field(0, ge=0, description=_UNPRICED)
    rate: UnitRateOut = Field(description="The average price of a unit.")


class PeriodOut(Schema):
    """The range as instants."""

    start: AwareDatetime = Field(description="The first instant of the range.")
    end: AwareDatetime = Field(description="The first instant after the range.")


class ResourceOut(Schema):
    """Usage of one compute or token meter by one product."""

    hours: int = Field(
        ge=0,
        description="Compute hours, rounded up. For tokens and requests, the hours of"
        " the range that have passed.",
    )
    instance_count: int = Field(ge=1, le=1, description="Always 1.")
    period: PeriodOut = Field(description="The range as instants.")
    kind: Literal["elasticsearch"] = Field(
        description="Always `elasticsearch`, for compatibility with API clients."
    )
    name: str = Field(description="Product and meter, as a label for people.")
    sku: str = Field(description=_SKU)
    price: float = Field(description=_COST)
    unpriced_quantity: int = Field(0, ge=0, description=_UNPRICED)
    price_per_hour: float = Field(description="`price` divided by `hours`.")


class ItemsOut(Schema):
    """Cost items. Their prices and costs add up to `costs.total`."""

    costs: CostsOut = Field(description="Costs in total and by dimension.")
    data_transfer_and_storage: list[StorageItemOut] = Field(
        description="Storage items, most expensive first."
    )
    resources: list[ResourceOut] = Field(
        description="Compute and token items, most expensive first."
    )


class DeploymentOut(Schema):
    """Costs of one project."""

    deployment_id: str = Field(
        description="The project's ID, or `none` for usage without a project."
    )
    deployment_name: str = Field(description="The project's name.")
    costs: CostsOut = Field(description="Costs in total and by dimension.")
    hourly_rate: float = Field(
        description="Average cost per hour of the range that has passed."
    )
    period: PeriodOut = Field(description="The range as instants.")


class DeploymentsOut(Schema):
    """Costs by project."""

    total_cost: float = Field(description=_COST)
    deployments: list[DeploymentOut] = Field(
        description="Projects with usage in the range, most expensive first."
    )


@dataclass(frozen=True, slots=True)
class Span:
    """A range of days as instants, with the number of its hours that have passed."""

    start: datetime
    end: datetime
    hours: Decimal

    @classmethod
    def of(cls, days: DayRange, white_label: WhiteLabel) -> "Span":
        """Return the span of days in the white label's time zone."""
        zone = white_label.zone
        hours = hours_elapsed(days, zone, now=timezone.now())
        start, end = first_instant(days.start, zone), first_instant(days.end, zone)
        return cls(start, end, hours)

    @property
    def period(self) -> dict[str, datetime]:
        return {"start": self.start, "end": self.end}

    def hourly(self, cost: Decimal) -> orjson.Fragment:
        """Return the average cost of the hours that have passed."""
        return number(ratio(cost, self.hours))


def ratio(
    amount: Decimal, divisor: Decimal | int, places: Decimal = _PLACES
) -> Decimal:
    """Return the quotient rounded to twelve places, or 0 for a divisor of 0."""
    if not divisor:
        return Decimal(0)
    return (amount / divisor).quantize(places)


def costs_json(items: Sequence[CostItem]) -> dict[str, Any]:
    """Return `CostsOut`."""
    costs = costs_by_dimension(items)
    return {
        "total": number(sum(costs.values(), Decimal(0))),
        "dimensions": [
            {"type": dimension.value, "cost": number(cost)}
            for dimension, cost in costs.items()
        ],
    }


def items_body(
    items: Sequence[CostItem], days: DayRange, white_label: WhiteLabel
) -> bytes:
    """Return `ItemsOut` as JSON."""
    span = Span.of(days, white_label)
    resources = [item for item in items if item.dimension is Dimension.CAPACITY]
    storage = [item for item in items if item.dimension is not Dimension.CAPACITY]
    return orjson.dumps(
        {
            "costs": costs_json(items),
            "data_transfer_and_storage": [
                _storage(item, white_label) for item in storage
            ],
            "resources": [_resource(item, span, white_label) for item in resources],
        }
    )


def _labels(item: CostItem, white_label: WhiteLabel) -> dict[str, str]:
    meter = METERS.get(item.meter)
    return {
        "name": f"{item.product}: {meter.label if meter else item.meter}",
        "sku": f"{white_label.slug}.{item.product}.{item.meter}",
    }


def _unpriced(item: CostItem) -> dict[str, int]:
    """Return the additional field of an item with unpriced usage, if it has any."""
    quantity = min(item.amounts.unpriced_quantity, MAX_INT64)
    return {"unpriced_quantity": quantity} if quantity else {}


def _storage(item: CostItem, white_label: WhiteLabel) -> dict[str, Any]:
    """Return `StorageItemOut`."""
    quantity, unit = item.amounts.quantity, METERS[item.meter].unit
    rate = ratio(item.amounts.cost, quantity, _PRICE_PLACES)
    singular = unit.removesuffix("s")
    return {
        **_labels(item, white_label),
        "cost": number(item.amounts.cost),
        "type": item.dimension.value,
        "quantity": {
            "value": min(quantity, MAX_INT64),
            "formatted_value": _quantity_text(quantity, unit),
        },
        **_unpriced(item),
        "rate": {
            "value": number(rate),
            "formatted_value": _rate_text(rate, white_label.currency, singular),
        },
    }


_KIB, _GIB = 2**10, 2**30
_UNREADABLE = Decimal(1).scaleb(-6)  # a smaller price of a byte is stated per GiB, too


def _quantity_text(quantity: int, unit: Unit) -> str:
    """Return a quantity as text; many bytes are exact, and then readable."""
    text = f"{quantity:,} {unit}"
    is_long = unit is Unit.BYTES and quantity >= _KIB
    return f"{text} ({display.byte_size(quantity)})" if is_long else text


def _rate_text(rate: Decimal, currency: str, unit: str) -> str:
    """Return a price as text; a tiny price of a byte is also stated for a GiB."""
    text = f"{digits(rate)} {currency} per {unit}"
    if not unit.startswith("byte") or not 0 < rate < _UNREADABLE:
        return text
    larger = unit.replace("byte", "GiB")
    return f"{text} ({digits(round(rate * _GIB, 6))} {currency} per {larger})"


def _resource(item: CostItem, span: Span, white_label: WhiteLabel) -> dict[str, Any]:
    """Return `ResourceOut`."""
    hours = _hours(item, span)
    return {
        **_labels(item, white_label),
        "hours": hours,
        "instance_count": 1,
        "period": span.period,
        "kind": "elasticsearch",
        "price": number(item.amounts.cost),
        **_unpriced(item),
        "price_per_hour": number(ratio(item.amounts.cost, hours)),
    }


def _hours(item: CostItem, span: Span) -> int:
    """Return compute hours, or for other meters the elapsed hours; rounded up."""
    meter = METERS.get(item.meter)
    if meter and meter.unit is Unit.SECONDS:
        return min(-(-item.amounts.quantity // 3600), MAX_INT64)
    return ceil(span.hours)


def deployments_body(
    deployments: Sequence[Deployment], days: DayRange, white_label: WhiteLabel
) -> bytes:
    """Return `DeploymentsOut` as JSON."""
    span = Span.of(days, white_label)
    total = sum((deployment.cost for deployment in deployments), Decimal(0))
    return orjson.dumps(
        {
            "total_cost": number(total),
            "deployments": [
                {
                    "deployment_id": deployment.id,
                    "deployment_name": deployment.name,
                    "costs": costs_json(deployment.items),
                    "hourly_rate": span.hourly(deployment.cost),
                    "period": span.period,
                }
                for deployment in deployments
            ],
        }
    )
