"""Contract C's overview of an organization: costs, pace, and what balance is left."""

from decimal import Decimal
from typing import Any

import orjson
from ninja import Schema
from pydantic import AwareDatetime, Field

from billing.queries import Balance
from metrics.periods import DayRange
from metrics.queries import Item
from metrics.schemas import number
from metrics.schemas.costs import CostsOut, Span, costs
from orgs.models import WhiteLabel


class BalanceLineOut(Schema):
    """The free balance of a trial, from the period's start to the trial's end."""

    id: str
    ecu_quantity: float
    ecu_balance: float
    start: AwareDatetime
    end: AwareDatetime


class BalanceOut(Schema):
    available: float = Field(description="Free balance that pays now: in a trial.")
    remaining: float = Field(description="What the open period leaves of it.")
    line_items: list[BalanceLineOut]


class OverviewOut(Schema):
    """Amounts in the white label's currency, where the contract says ECU."""

    costs: CostsOut
    trials: float = Field(
        description="What free balance pays of the range and the open period."
    )
    hourly_rate: float = Field(description="Over the part of the range that is past.")
    balance: BalanceOut


def overview_body(
    items: list[Item], balance: Balance, days: DayRange, white_label: WhiteLabel
) -> bytes:
    """`OverviewOut` as JSON."""
    total = sum((item.amounts.cost for item in items), Decimal(0))
    return orjson.dumps(
        {
            "costs": costs(items),
            "trials": number(min(total, balance.used)),
            "hourly_rate": Span.of(days, white_label).hourly(total),
            "balance": {
                "available": number(balance.available),
                "remaining": number(balance.remaining),
                "line_items": _lines(balance),
            },
        }
    )


def _lines(balance: Balance) -> list[dict[str, Any]]:
    if not balance.available or balance.ends_at is None:
        return []
    return [
        {
            "id": "free_balance",
            "ecu_quantity": number(balance.available),
            "ecu_balance": number(balance.remaining),
            "start": balance.starts_at,
            "end": balance.ends_at,
        }
    ]
