"""Response schema of an organization's estimated invoice and forecast."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import orjson
from ninja import Schema
from pydantic import AwareDatetime, Field

from billing.forecast.backtests import COVERAGE, TOLERANCE
from billing.forecast.queries.estimates import EstimatedInvoice, Line, Total
from billing.forecast.queries.forecasts import LimitForecast
from metrics.schemas.charts import number

_PERCENT = 100


class EstimateLineOut(Schema):
    """A line of the estimated invoice."""

    code: str = Field(
        description="`usage`, `expected_usage`, `free_balance`, `credit`,"
        " `earlier_usage`, `usage_discount`, `usage_tax`, `plan`, `trial`, `seats`,"
        " `metered`, `proration`, `other`, `discount`, `tax` or `stripe_balance`; new"
        " codes may be added."
    )
    label: str = Field(description="The line, for people.")
    amount: float | None = Field(
        description="Rounded as on the invoice; below 0 for what is taken off. Null if"
        " only Stripe knows it, and then it is not in the total."
    )
    currency: str = Field(description="Currency code in lower case.")
    source: str = Field(
        description="`usage`: recorded usage. `forecast`: expected usage. `balance`:"
        " credit, free balance and charges of closed periods. `stripe`: Stripe's"
        " preview of the next invoice. `price`: Orgdesk's copy of Stripe's price."
    )
    as_of: AwareDatetime = Field(description="When the amount was read.")
    url: str = Field(description="Path of the page that explains the amount.")


class LaterLineOut(EstimateLineOut):
    """A line of another invoice, such as the renewal of a yearly plan."""

    on: date = Field(description="Day of that invoice, in the white label's zone.")


class EstimateTotalOut(Schema):
    """The sum of the lines in one currency."""

    currency: str = Field(description="Currency code in lower case.")
    amount: float = Field(description="The estimated total.")
    low: float | None = Field(
        description="Lower end of the range; null if the history is too short, and in"
        " other currencies than that of usage."
    )
    high: float | None = Field(description="Upper end of the range, as `low`.")


class HitRateOut(Schema):
    """How often the forecast was right at this point of past periods."""

    tolerance_percent: float = Field(
        description="A forecast was right if it was this near to the usage of its"
        " period."
    )
    hits: int = Field(description="How many of the periods were forecast right.")
    periods: int = Field(description="How many past periods were forecast, at most 10.")
    mean_error_percent: float = Field(description="The mean error, without its sign.")
    basis: str = Field(
        description="`billing_periods`, or `equal_spans` as long as the open period if"
        " fewer than three were closed. The forecast is repeated from daily usage."
    )


class UsageForecastOut(Schema):
    """The usage of the open period, to date and expected."""

    to_date: float = Field(description="Exact cost to date.")
    expected: float | None = Field(
        description="Expected cost of the whole period; null if its end is not known."
    )
    per_day: float = Field(description="Expected cost of an average day.")
    history_days: int = Field(
        description="Complete days that the forecast is from, at most 56."
    )
    interval_percent: float = Field(
        description="The part of past outcomes that `low` to `high` would have held."
    )
    hit_rate: HitRateOut | None = Field(
        description="Null if no past period can be forecast."
    )


class LimitForecastOut(Schema):
    """A spending limit and when it is reached."""

    kind: str = Field(description="`soft` or `hard`.")
    amount: float = Field(description="Compared with usage after free balance.")
    is_reached: bool = Field(description="Whether usage has reached it.")
    reached_on: date | None = Field(description="When it was reached, if recorded.")
    projected_on: date | None = Field(
        description="The day by whose end expected usage reaches it; null if that is"
        " not in the period."
    )


class ForecastOut(Schema):
    """The estimated invoice of an organization's open period."""

    state: str = Field(
        description="`scheduled`, `trial`, `final`, `due`, `paused`, `no_date` or"
        " `no_subscription`; new states may be added. The last three have no invoice."
    )
    message: str = Field(description="What is special about it, or an empty text.")
    as_of: AwareDatetime = Field(description="When the estimate was computed.")
    period_starts_at: AwareDatetime = Field(description="Start of the open period.")
    invoice_at: AwareDatetime | None = Field(description="When the period closes.")
    invoice_on: date | None = Field(description="That day, in the white label's zone.")
    currency: str = Field(description="Currency of usage, in lower case.")
    lines: list[EstimateLineOut] = Field(description="The lines of this invoice.")
    totals: list[EstimateTotalOut] = Field(
        description="A total for each currency, that of usage first; empty without an"
        " invoice."
    )
    is_complete: bool = Field(description="False if a line has no amount.")
    tax: str = Field(
        description="`included`: tax and discounts are those of Stripe's preview, also"
        " on usage. `partial`: only those of what Stripe prices. `not_included`: there"
        " is no preview."
    )
    tax_message: str = Field(
        description="That as a sentence; empty without an invoice."
    )
    later: list[LaterLineOut] = Field(
        description="Lines of other invoices, such as the renewal of a yearly plan."
    )
    usage: UsageForecastOut = Field(description="The forecast of usage.")
    limits: list[LimitForecastOut] = Field(description="Limits, the lowest first.")


def forecast_body(estimate: EstimatedInvoice) -> bytes:
    """Return `ForecastOut` as JSON, with all digits of each amount."""
    return orjson.dumps(_body(estimate), option=orjson.OPT_UTC_Z)


def _body(estimate: EstimatedInvoice) -> Mapping[str, Any]:
    return {
        "state": estimate.state,
        "message": estimate.message,
        "as_of": estimate.as_of,
        "period_starts_at": estimate.forecast.starts_at,
        "invoice_at": estimate.at,
        "invoice_on": estimate.on,
        "currency": estimate.currency,
        "lines": list(map(_line, estimate.lines)),
        "totals": list(map(_total, estimate.totals)),
        "is_complete": estimate.is_complete,
        "tax": estimate.tax,
        "tax_message": estimate.tax_message,
        "later": [_line(later.line) | {"on": later.on} for later in estimate.later],
        "usage": _usage(estimate),
        "limits": list(map(_limit, estimate.forecast.limits)),
    }


def _amount(amount: Decimal | None) -> orjson.Fragment | None:
    return None if amount is None else number(amount)


def _line(line: Line) -> dict[str, Any]:
    return {
        "code": line.code,
        "label": line.label,
        "amount": _amount(line.amount),
        "currency": line.currency,
        "source": line.source,
        "as_of": line.as_of,
        "url": line.url,
    }


def _total(total: Total) -> dict[str, Any]:
    return {
        "currency": total.currency,
        "amount": _amount(total.amount),
        "low": _amount(total.low),
        "high": _amount(total.high),
    }


def _usage(estimate: EstimatedInvoice) -> dict[str, Any]:
    forecast = estimate.forecast
    return {
        "to_date": number(forecast.cost.cost),
        "expected": _amount(forecast.projected),
        "per_day": number(forecast.daily_average),
        "history_days": forecast.usage.history_days,
        "interval_percent": COVERAGE * _PERCENT,
        "hit_rate": _hit_rate(estimate),
    }


def _hit_rate(estimate: EstimatedInvoice) -> dict[str, Any] | None:
    rate = estimate.hit_rate
    if rate is None:
        return None
    return {
        "tolerance_percent": TOLERANCE * _PERCENT,
        "hits": rate.hits,
        "periods": rate.periods,
        "mean_error_percent": round(rate.mean_error * _PERCENT, 2),
        "basis": "billing_periods" if rate.are_billing_periods else "equal_spans",
    }


def _limit(limit: LimitForecast) -> dict[str, Any]:
    return {
        "kind": limit.kind,
        "amount": number(limit.amount),
        "is_reached": limit.is_reached,
        "reached_on": limit.reached_on,
        "projected_on": limit.projected_on,
    }
