"""Where an organization's open period is heading: cost, pace, limits, the end."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from math import ceil

from django.utils import timezone

from billing.models import BillingAccount, SpendingLimit, Subscription
from billing.models.mirrors import LIVE
from metrics.periods import DayRange, day_of
from metrics.queries import (
    PeriodCost,
    SeriesFilters,
    list_open_periods,
    open_period_costs,
    series,
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
    subscription: Subscription | None
    last_invoice_at: datetime | None

    @property
    def payable(self) -> Decimal:
        """What limits are compared with."""
        return max(self.cost.cost - self.free_balance, Decimal(0))

    @property
    def next_limit(self) -> LimitOutlook | None:
        """The one to speak of: crossed last, or else to be crossed first."""
        crossed = [limit for limit in self.limits if limit.is_crossed]
        return crossed[-1] if crossed else next(iter(self.limits), None)


def outlook(organization: Organization, *, today: date) -> Outlook:
    """Seven queries, none of them over more than one organization."""
    period = list_open_periods([organization.id])[0]
    cost = open_period_costs([organization.id])[organization.id]
    subscription = _subscription(organization)
    account = BillingAccount.objects.filter(organization=organization).first()
    free = _free_balance(account, subscription)
    pace = _pace(organization, today)
    ends_on = _ends_on(organization, subscription)
    days_left = (ends_on - today).days if ends_on else None
    payable = max(cost.cost - free, Decimal(0))
    return Outlook(
        starts_at=period.starts_at,
        cost=cost,
        free_balance=free,
        pace_per_day=pace,
        ends_on=ends_on,
        projected=cost.cost + pace * days_left if days_left is not None else None,
        limits=tuple(
            _limit(limit, payable, pace, today, days_left)
            for limit in _limits(organization)
        ),
        subscription=subscription,
        last_invoice_at=account.last_invoice_at if account else None,
    )


def _subscription(organization: Organization) -> Subscription | None:
    live = Subscription.objects.filter(
        organization=organization, kind=Subscription.Kind.PLATFORM, status__in=LIVE
    )
    return live.first()


def _free_balance(
    account: BillingAccount | None, subscription: Subscription | None
) -> Decimal:
    """Free balance pays while the organization is in its trial, and only then."""
    in_trial = subscription is not None and subscription.is_in_trial
    return account.free_balance if account and in_trial else Decimal(0)


def _pace(organization: Organization, today: date) -> Decimal:
    days = DayRange(today - timedelta(days=PACE_DAYS), today)
    return series(organization.id, SeriesFilters(days)).total.cost / PACE_DAYS


def _ends_on(
    organization: Organization, subscription: Subscription | None
) -> date | None:
    """The day the period's invoice is due by Stripe, when that is still to come."""
    if subscription is None or subscription.period_ends_at is None:
        return None
    if subscription.period_ends_at <= timezone.now():
        return None
    return day_of(subscription.period_ends_at, organization.white_label.zone)


def _limits(organization: Organization) -> list[tuple[str, Decimal]]:
    rows = SpendingLimit.objects.filter(organization=organization, amount__gt=0)
    return [
        (kind, amount)
        for kind, amount in rows.order_by("amount").values_list("kind", "amount")
        if amount is not None
    ]


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
