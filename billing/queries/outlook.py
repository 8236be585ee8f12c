"""Where an organization's open period is heading: cost, pace, limits, the end."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from math import ceil

from django.utils import timezone

from billing.queries.facts import BillingFacts, billing_facts
from metrics.periods import DayRange, day_of
from metrics.queries import (
    CurrentPeriod,
    PeriodCost,
    cost_of_days,
    current_period,
)
from orgs.models import Organization

PACE_DAYS = 7  # complete days; a week has all its weekdays once
_FAR = 366  # days; a crossing further away is not announced


@dataclass(frozen=True, slots=True)
class LimitOutlook:
    """A spending limit against the open period's cost after free balance."""

    kind: str
    amount: Decimal
    is_crossed: bool
    crosses_on: date | None  # at today's pace; null when not before the period ends

    @property
    def label(self) -> str:
        return f"{self.kind} limit"


@dataclass(frozen=True, slots=True)
class Outlook:
    """The open period so far and, at the pace of the last 7 complete days, its end."""

    starts_at: datetime
    cost: PeriodCost
    free_balance: Decimal  # what pays first: 0 unless in a trial
    pace_per_day: Decimal
    ends_on: date | None
    projected: Decimal | None
    limits: tuple[LimitOutlook, ...]
    facts: BillingFacts

    @property
    def payable(self) -> Decimal:
        """What limits are compared with."""
        return self.facts.payable(self.cost.cost)

    @property
    def next_limit(self) -> LimitOutlook | None:
        """The one to speak of: crossed last, or else to be crossed first."""
        crossed = [limit for limit in self.limits if limit.is_crossed]
        return crossed[-1] if crossed else next(iter(self.limits), None)


def outlook(
    organization: Organization, *, today: date, period: CurrentPeriod | None = None
) -> Outlook:
    """Three queries, two where `period` is known; none over other organizations."""
    period = period or current_period(organization.id)
    facts = billing_facts([organization.id])[organization.id]
    cost = period.cost.cost
    pace = _pace(organization, today)
    ends_on = _ends_on(organization, facts.period_ends_at)
    days_left = (ends_on - today).days if ends_on else None
    payable = facts.payable(cost)
    return Outlook(
        starts_at=period.starts_at,
        cost=period.cost,
        free_balance=facts.paying_balance,
        pace_per_day=pace,
        ends_on=ends_on,
        projected=cost + pace * days_left if days_left is not None else None,
        limits=tuple(
            _limit(limit, payable, pace, today, days_left) for limit in facts.limits
        ),
        facts=facts,
    )


def _pace(organization: Organization, today: date) -> Decimal:
    days = DayRange(today - timedelta(days=PACE_DAYS), today)
    return cost_of_days(organization.id, days) / PACE_DAYS


def _ends_on(organization: Organization, ends_at: datetime | None) -> date | None:
    """The day the period's invoice is due by Stripe, when that is still to come."""
    if ends_at is None or ends_at <= timezone.now():
        return None
    return day_of(ends_at, organization.white_label.zone)


def _limit(
    limit: tuple[str, Decimal],
    payable: Decimal,
    pace: Decimal,
    today: date,
    days_left: int | None,
) -> LimitOutlook:
    kind, amount = limit
    if payable >= amount:
        return LimitOutlook(kind, amount, is_crossed=True, crosses_on=None)
    crosses_on = None
    if pace > 0:
        days = ceil(((amount - payable) / pace).to_integral_value(ROUND_CEILING))
        if days <= (_FAR if days_left is None else days_left):
            crosses_on = today + timedelta(days=days)
    return LimitOutlook(kind, amount, is_crossed=False, crosses_on=crosses_on)
