"""Response schema of contract C's overview: costs, hourly rate and free balance."""

from decimal import Decimal
from typing import Any

import orjson
from ninja import Schema
from pydantic import AwareDatetime, Field

from billing.ledger.queries.balances import FreeBalance
from metrics.periods import DayRange
from metrics.queries.items import CostItem
from metrics.schemas.charts import number
from metrics.schemas.costs import CostsOut, Span, costs_json
from orgs.models import WhiteLabel


class BalanceLineOut(Schema):
    """The free balance of a trial, from the period's start to the trial's end."""

    id: str = Field(description="Always `free_balance`.")
    ecu_quantity: float = Field(description="The free balance, before usage.")
    ecu_balance: float = Field(description="The free balance that is left.")
    start: AwareDatetime = Field(description="Start of the billing period.")
    end: AwareDatetime = Field(description="End of the trial.")


class BalanceOut(Schema):
    """The free balance, in the white label's currency."""

    available: float = Field(
        description="Free balance that pays for usage now; 0 outside a trial."
    )
    remaining: float = Field(
        description="What is left of `available` after the usage of the open period."
    )
    line_items: list[BalanceLineOut] = Field(
        description="The free balance as a line; empty outside a trial."
    )


class OverviewOut(Schema):
    """Costs and balance. All amounts are in the white label's currency."""

    costs: CostsOut = Field(description="Costs in total and by dimension.")
    trials: float = Field(
        description="The part of the costs that is paid by the free balance."
    )
    hourly_rate: float = Field(
        description="Average cost per hour of the range that has passed."
    )
    balance: BalanceOut = Field(description="The free balance.")


def overview_body(
    items: list[CostItem], balance: FreeBalance, days: DayRange, white_label: WhiteLabel
) -> bytes:
    """Return `OverviewOut` as JSON."""
    total = sum((item.amounts.cost for item in items), Decimal(0))
    return orjson.dumps(
        {
            "costs": costs_json(items),
            "trials": number(min(total, balance.used)),
            "hourly_rate": Span.of(days, white_label).hourly(total),
            "balance": {
                "available": number(balance.available),
                "remaining": number(balance.remaining),
                "line_items": _line_items(balance),
            },
        }
    )


def _line_items(balance: FreeBalance) -> list[dict[str, Any]]:
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
