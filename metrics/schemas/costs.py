"""Contract C beside its charts: overview, items and deployments, field by field.

Amounts are in the white label's currency where that contract says ECU. Its dimension
`capacity` is compute and tokens, `storage_bytes` what storage costs; the other four
are 0 until a meter maps to them. A deployment is a project.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from math import ceil
from typing import Any, Literal

import orjson
from django.utils import timezone
from ninja import Schema
from pydantic import AwareDatetime, Field

from metrics.catalog import METERS, Dimension, Unit
from metrics.periods import DayRange, first_instant, hours_elapsed
from metrics.queries import Deployment, Item, by_dimension
from metrics.schemas.charts import digits, number
from orgs.models import WhiteLabel

MAX_INT64 = 2**63 - 1
_PLACES = Decimal(1).scaleb(-12)


class DimensionCostOut(Schema):
    type: Dimension = Field(
        description="`capacity`: compute and tokens; `storage_bytes`: storage."
    )
    cost: float


class CostsOut(Schema):
    total: float
    dimensions: list[DimensionCostOut] = Field(
        min_length=6, max_length=6, description="All six, those without cost too."
    )


class QuantityOut(Schema):
    value: int = Field(ge=0, le=MAX_INT64, description="Whole units of the meter.")
    formatted_value: str


class UnitRateOut(Schema):
    value: float = Field(description="Cost per unit, on average over the range.")
    formatted_value: str


class StorageItemOut(Schema):
    """One product's use of a meter of storage or transfer."""

    cost: float
    name: str
    sku: str = Field(description="White label, product and meter, with dots between.")
    type: Dimension
    quantity: QuantityOut
    rate: UnitRateOut


class PeriodOut(Schema):
    start: AwareDatetime
    end: AwareDatetime


class ResourceOut(Schema):
    """One product's use of a meter of compute or tokens."""

    hours: int = Field(
        ge=0, description="Hours computed, begun ones whole; of tokens, hours past."
    )
    instance_count: int = Field(ge=1, le=1)
    period: PeriodOut
    kind: Literal["elasticsearch"] = Field(
        description="The contract's word for a plain instance; it has none for ours."
    )
    name: str
    sku: str = Field(description="White label, product and meter, with dots between.")
    price: float
    price_per_hour: float = Field(description="`price` / `hours`.")


class ItemsOut(Schema):
    """Dearest first; the prices and costs add up to `costs.total`."""

    costs: CostsOut
    data_transfer_and_storage: list[StorageItemOut]
    resources: list[ResourceOut]


class DeploymentOut(Schema):
    deployment_id: str = Field(description="The project's id; `none` without one.")
    deployment_name: str
    costs: CostsOut
    hourly_rate: float = Field(description="Over the part of the range that is past.")
    period: PeriodOut


class DeploymentsOut(Schema):
    """Projects with usage in the range, dearest first."""

    total_cost: float
    deployments: list[DeploymentOut]


@dataclass(frozen=True, slots=True)
class Span:
    """A range as it is shown: its instants, and how many of its hours are past."""

    start: datetime
    end: datetime
    hours: Decimal

    @classmethod
    def of(cls, days: DayRange, white_label: WhiteLabel) -> "Span":
        zone = white_label.zone
        hours = hours_elapsed(days, zone, now=timezone.now())
        start, end = first_instant(days.start, zone), first_instant(days.end, zone)
        return cls(start, end, hours)

    @property
    def period(self) -> dict[str, datetime]:
        return {"start": self.start, "end": self.end}

    def hourly(self, cost: Decimal) -> orjson.Fragment:
        return number(ratio(cost, self.hours))


def ratio(amount: Decimal, by: Decimal | int) -> Decimal:
    """To twelve places; of nothing, 0."""
    if not by:
        return Decimal(0)
    with localcontext(prec=80):
        return (amount / by).quantize(_PLACES)


def costs(items: Sequence[Item]) -> dict[str, Any]:
    found = by_dimension(items)
    return {
        "total": number(sum(found.values(), Decimal(0))),
        "dimensions": [
            {"type": dimension.value, "cost": number(cost)}
            for dimension, cost in found.items()
        ],
    }


def items_body(items: Sequence[Item], days: DayRange, white_label: WhiteLabel) -> bytes:
    """`ItemsOut` as JSON."""
    span = Span.of(days, white_label)
    resources = [one for one in items if one.dimension is Dimension.CAPACITY]
    others = [one for one in items if one.dimension is not Dimension.CAPACITY]
    return orjson.dumps(
        {
            "costs": costs(items),
            "data_transfer_and_storage": [_stored(one, white_label) for one in others],
            "resources": [_resource(one, span, white_label) for one in resources],
        }
    )


def _named(item: Item, white_label: WhiteLabel) -> dict[str, str]:
    meter = METERS.get(item.meter)
    return {
        "name": f"{item.product}: {meter.label if meter else item.meter}",
        "sku": f"{white_label.slug}.{item.product}.{item.meter}",
    }


def _stored(item: Item, white_label: WhiteLabel) -> dict[str, Any]:
    quantity, unit = item.amounts.quantity, METERS[item.meter].unit
    rate = ratio(item.amounts.cost, quantity)
    return {
        **_named(item, white_label),
        "cost": number(item.amounts.cost),
        "type": item.dimension.value,
        "quantity": {
            "value": min(quantity, MAX_INT64),
            "formatted_value": f"{quantity:,} {unit}",
        },
        "rate": {
            "value": number(rate),
            "formatted_value": f"{digits(rate)} {white_label.currency} for 1 of {unit}",
        },
    }


def _resource(item: Item, span: Span, white_label: WhiteLabel) -> dict[str, Any]:
    hours = _hours(item, span)
    return {
        **_named(item, white_label),
        "hours": hours,
        "instance_count": 1,
        "period": span.period,
        "kind": "elasticsearch",
        "price": number(item.amounts.cost),
        "price_per_hour": number(ratio(item.amounts.cost, hours)),
    }


def _hours(item: Item, span: Span) -> int:
    meter = METERS.get(item.meter)
    if meter and meter.unit is Unit.SECONDS:
        return min(-(-item.amounts.quantity // 3600), MAX_INT64)
    return ceil(span.hours)


def deployments_body(
    found: Sequence[Deployment], days: DayRange, white_label: WhiteLabel
) -> bytes:
    """`DeploymentsOut` as JSON."""
    span = Span.of(days, white_label)
    return orjson.dumps(
        {
            "total_cost": number(sum((one.cost for one in found), Decimal(0))),
            "deployments": [
                {
                    "deployment_id": one.id,
                    "deployment_name": one.name,
                    "costs": costs(one.items),
                    "hourly_rate": span.hourly(one.cost),
                    "period": span.period,
                }
                for one in found
            ],
        }
    )
