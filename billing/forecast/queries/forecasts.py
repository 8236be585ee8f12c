"""Where an organization's open period is heading: cost, pace, limits, the end.

One function says when a limit falls, for every page and for the list's order.
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

# Usage of a day may arrive so long after its end; until then the day is not complete.
SETTLES_HOURS = 3
PACE_DAYS = 7  # a week has all its weekdays once
_FAR = 366  # days; a crossing further away is not announced


@dataclass(frozen=True, slots=True)
class LimitForecast:
    """A spending limit against the open period's cost after free balance."""

    kind: str
    amount: Decimal
    is_reached: bool
    projected_on: date | None  # at today's pace; null when not before the period ends
    reached_on: date | None = None  # null until the ledger has it

    @property
    def label(self) -> str:
        return f"{self.kind} limit"

    @property
    def day(self) -> date | None:
        """When it falls, or fell."""
        return self.reached_on if self.is_reached else self.projected_on


@dataclass(frozen=True, slots=True)
class Forecast:
    """The open period so far and, at the pace of the last 7 complete days, its end."""

    starts_at: datetime
    cost: PeriodCost
    free_balance: Decimal  # what pays first: 0 unless in a trial
    pace_per_day: Decimal
    ends_on: date | None
    projected: Decimal | None
    limits: tuple[LimitForecast, ...]  # the lowest first
    facts: BillingFacts

    @property
    def payable(self) -> Decimal:
        """What limits are compared with."""
        return self.facts.payable(self.cost.cost)

    @property
    def next_limit(self) -> LimitForecast | None:
        """The one to speak of: falls first at this rate, or else was crossed last."""
        ahead = [limit for limit in self.limits if limit.projected_on is not None]
        crossed = [limit for limit in self.limits if limit.is_reached]
        return next(iter((*ahead, *reversed(crossed), *self.limits)), None)

    @property
    def next_reached_limit(self) -> LimitForecast | None:
        """The same, if it falls or fell."""
        limit = self.next_limit
        return limit if limit and (limit.is_reached or limit.projected_on) else None


def pace_days(now: datetime, zone: ZoneInfo) -> DayRange:
    """The last 7 days that are complete: usage of a day may arrive hours after it."""
    end = day_of(now - timedelta(hours=SETTLES_HOURS), zone)
    return DayRange(end - timedelta(days=PACE_DAYS), end)


def forecast(
    organization: Organization, *, today: date, period: CurrentPeriod | None = None
) -> Forecast:
    """Three queries, two where `period` is known; none over other organizations."""
    now, zone = timezone.now(), organization.white_label.zone
    return look_ahead(
        period or current_period(organization.id),
        billing_facts([organization.id])[organization.id],
        cost_of_days(organization.id, pace_days(now, zone)),
        today=today,
        zone=zone,
    )


def list_forecasts(organizations: Sequence[Organization]) -> dict[int, Forecast]:
    """Of those that have a limit; three statements however many there are."""
    now = timezone.now()
    facts = billing_facts(one.id for one in organizations)
    limited = [one for one in organizations if facts[one.id].limits]
    periods = current_periods(one.id for one in limited)
    costs = costs_of_days(
        {one.id: pace_days(now, one.white_label.zone) for one in limited}
    )
    return {
        one.id: look_ahead(
            periods[one.id],
            facts[one.id],
            costs[one.id],
            today=day_of(now, one.white_label.zone),
            zone=one.white_label.zone,
        )
        for one in limited
        if one.id in periods
    }


def look_ahead(
    period: CurrentPeriod,
    facts: BillingFacts,
    week: Decimal,
    *,
    today: date,
    zone: ZoneInfo,
) -> Forecast:
    """From what was read already; `week` is what the `pace_days` cost together."""
    cost = period.cost.cost
    ends_on = _ends_on(facts.period_ends_at, zone)
    days_left = (ends_on - today).days if ends_on else None
    going = _Going(cost - facts.usable_free_balance, week, today, days_left)
    limits = tuple(_limit(*one, going, facts, zone) for one in facts.limits)
    return Forecast(
        starts_at=period.starts_at,
        cost=period.cost,
        free_balance=facts.usable_free_balance,
        pace_per_day=week / PACE_DAYS,
        ends_on=ends_on,
        projected=None if days_left is None else cost + week * days_left / PACE_DAYS,
        limits=limits,
        facts=facts,
    )


def _ends_on(ends_at: datetime | None, zone: ZoneInfo) -> date | None:
    """The day the period's invoice is due by Stripe, when that is still to come."""
    if ends_at is None or ends_at <= timezone.now():
        return None
    return day_of(ends_at, zone)


@dataclass(frozen=True, slots=True)
class _Going:
    """What is payable of the period, what a week costs, and how long it goes on."""

    payable: Decimal  # negative: so much free balance is left to pay first
    week: Decimal
    today: date
    days_left: int | None

    def projected_on(self, amount: Decimal) -> date | None:
        """Multiplied first: the day is exact where the limit is met by whole days."""
        if self.payable >= amount or self.week <= 0:
            return None
        days = (amount - self.payable) * PACE_DAYS / self.week
        if days > (_FAR if self.days_left is None else self.days_left):
            return None
        return self.today + timedelta(days=int(days.to_integral_value(ROUND_CEILING)))


def _limit(
    kind: str, amount: Decimal, going: _Going, facts: BillingFacts, zone: ZoneInfo
) -> LimitForecast:
    is_reached = going.payable >= amount
    at = facts.reached_at(kind) if is_reached else None
    return LimitForecast(
        kind,
        amount,
        is_reached=is_reached,
        projected_on=going.projected_on(amount),
        reached_on=None if at is None else day_of(at, zone),
    )
