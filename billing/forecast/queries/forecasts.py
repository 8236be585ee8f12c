"""Queries that forecast an open period: its cost, daily average, limits and end.

One function computes when a limit is reached, for every page and for the order of the
organization list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from zoneinfo import ZoneInfo

from django.utils import timezone

from billing.ledger.queries.facts import BillingFacts, billing_facts
from metrics.periods import DayRange
from metrics.queries.periods import (
    CurrentPeriod,
    PeriodCost,
    current_period,
    current_periods,
)
from metrics.queries.series import cost_of_days, costs_of_days
from orgs.days import day_of
from orgs.models import Organization

# Usage of a day may arrive this long after its end; until then it is not complete.
SETTLES_HOURS = 3
AVERAGE_DAYS = 7  # each weekday counts once
_MAX_DAYS_AHEAD = 366  # a limit that is reached later is not projected


@dataclass(frozen=True, slots=True)
class LimitForecast:
    """A spending limit compared with the open period's cost after free balance.

    `projected_on` assumes the daily average; it is None if the limit is not reached
    before the period ends. `reached_on` is None until the alert is recorded.
    """

    kind: str
    amount: Decimal
    is_reached: bool
    projected_on: date | None
    reached_on: date | None = None

    @property
    def label(self) -> str:
        return f"{self.kind} limit"

    @property
    def day(self) -> date | None:
        """Day when the limit was reached, or is projected to be."""
        return self.reached_on if self.is_reached else self.projected_on


@dataclass(frozen=True, slots=True)
class Forecast:
    """The open period to date, and its end at the average of the last 7 complete days.

    `ends_on` and `projected` are None when the period's end is not known.
    """

    starts_at: datetime
    cost: PeriodCost
    free_balance: Decimal  # 0 unless in a trial
    daily_average: Decimal
    ends_on: date | None
    projected: Decimal | None
    limits: tuple[LimitForecast, ...]  # the lowest first
    facts: BillingFacts

    @property
    def payable(self) -> Decimal:
        """Cost to date after free balance, which limits are compared with."""
        return self.facts.payable(self.cost.cost)

    @property
    def next_limit(self) -> LimitForecast | None:
        """Limit to show: the first projected to be reached, else the highest reached.

        If there is neither, the lowest limit.
        """
        projected = [limit for limit in self.limits if limit.projected_on is not None]
        reached = [limit for limit in self.limits if limit.is_reached]
        return next(iter((*projected, *reversed(reached), *self.limits)), None)

    @property
    def next_reached_limit(self) -> LimitForecast | None:
        """The `next_limit`, if it was reached or is projected to be; otherwise None."""
        limit = self.next_limit
        return limit if limit and (limit.is_reached or limit.projected_on) else None


def average_days(now: datetime, zone: ZoneInfo) -> DayRange:
    """Return the last 7 complete days, those whose usage has had time to arrive."""
    end = day_of(now - timedelta(hours=SETTLES_HOURS), zone)
    return DayRange(end - timedelta(days=AVERAGE_DAYS), end)


def get_forecast(
    organization: Organization, *, today: date, period: CurrentPeriod | None = None
) -> Forecast:
    """Return an organization's forecast; three queries, two if `period` is given."""
    now, zone = timezone.now(), organization.white_label.zone
    return build_forecast(
        period or current_period(organization.id),
        billing_facts([organization.id])[organization.id],
        cost_of_days(organization.id, average_days(now, zone)),
        today=today,
        zone=zone,
    )


def list_forecasts(organizations: Sequence[Organization]) -> dict[int, Forecast]:
    """Return the forecasts of the organizations with a limit, by organization id.

    Three statements for any number of organizations.
    """
    now = timezone.now()
    facts = billing_facts(organization.id for organization in organizations)
    limited = [
        organization for organization in organizations if facts[organization.id].limits
    ]
    periods = current_periods(organization.id for organization in limited)
    zones = {organization.id: organization.white_label.zone for organization in limited}
    costs = costs_of_days({id_: average_days(now, zone) for id_, zone in zones.items()})
    return {
        id_: build_forecast(
            periods[id_],
            facts[id_],
            costs[id_],
            today=day_of(now, zone),
            zone=zone,
        )
        for id_, zone in zones.items()
        if id_ in periods
    }


def build_forecast(
    period: CurrentPeriod,
    facts: BillingFacts,
    week: Decimal,
    *,
    today: date,
    zone: ZoneInfo,
) -> Forecast:
    """Return the forecast from data that was read already; no query.

    `week` is the cost of the `average_days` together.
    """
    cost = period.cost.cost
    ends_on = _ends_on(facts.period_ends_at, zone)
    days_left = (ends_on - today).days if ends_on else None
    projection = _Projection(cost - facts.usable_free_balance, week, today, days_left)
    limits = tuple(
        _forecast_limit(kind, amount, projection, facts, zone)
        for kind, amount in facts.limits
    )
    return Forecast(
        starts_at=period.starts_at,
        cost=period.cost,
        free_balance=facts.usable_free_balance,
        daily_average=week / AVERAGE_DAYS,
        ends_on=ends_on,
        projected=None if days_left is None else cost + week * days_left / AVERAGE_DAYS,
        limits=limits,
        facts=facts,
    )


def _ends_on(ends_at: datetime | None, zone: ZoneInfo) -> date | None:
    """Return the day of the next invoice; None if it is not known or has passed."""
    if ends_at is None or ends_at <= timezone.now():
        return None
    return day_of(ends_at, zone)


@dataclass(frozen=True, slots=True)
class _Projection:
    """The payable cost, the cost of a week, and the days that the period has left."""

    payable: Decimal  # below 0 while free balance is left
    week: Decimal
    today: date
    days_left: int | None

    def projected_on(self, amount: Decimal) -> date | None:
        """Return the day when the payable cost reaches an amount.

        None if it is reached already, not before the period ends, or too far ahead.
        """
        if self.payable >= amount or self.week <= 0:
            return None
        # Multiplied before it is divided: exact where whole days reach the amount.
        days = (amount - self.payable) * AVERAGE_DAYS / self.week
        if days > (_MAX_DAYS_AHEAD if self.days_left is None else self.days_left):
            return None
        return self.today + timedelta(days=int(days.to_integral_value(ROUND_CEILING)))


def _forecast_limit(
    kind: str,
    amount: Decimal,
    projection: _Projection,
    facts: BillingFacts,
    zone: ZoneInfo,
) -> LimitForecast:
    is_reached = projection.payable >= amount
    at = facts.reached_at(kind) if is_reached else None
    return LimitForecast(
        kind,
        amount,
        is_reached=is_reached,
        projected_on=projection.projected_on(amount),
        reached_on=None if at is None else day_of(at, zone),
    )
