"""Queries that forecast an open period: its usage, limits and end.

One function computes what is expected of each day, and so when a limit is reached, for
every page, alert and API answer and for the order of the organization list.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from zoneinfo import ZoneInfo

from django.utils import timezone

from billing.forecast.weekdays import (
    DAYS_OF_A_WEEK,
    HISTORY_DAYS,
    WeekdayForecast,
    forecast_costs,
)
from billing.ledger.queries.facts import BillingFacts, billing_facts
from billing.money import exactly, is_limit_reached
from metrics.periods import DayRange
from metrics.queries.periods import (
    CurrentPeriod,
    PeriodCost,
    current_period,
    current_periods,
)
from metrics.queries.series import ZERO, costs_by_day
from orgs.days import ONE_DAY, day_of, first_instant
from orgs.models import Organization

# Usage of a day may arrive this long after its end; until then it is not complete.
SETTLES_HOURS = 3
MAX_DAYS_AHEAD = 366  # a limit that is reached later is not projected
# Digits of an expected cost: floats have no more, and costs that are the same every day
# add up to exactly what they are.
_PLACES = Decimal("1e-9")


@dataclass(frozen=True, slots=True)
class LimitForecast:
    """A spending limit compared with the open period's cost after free balance.

    `projected_on` is the day by whose end the expected usage reaches it; None if that
    is not before the period ends. `reached_on` is None until the alert is recorded.
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
class Supposition:
    """Supposed spending and limits; None keeps the current value, limit 0 is none."""

    spend: Decimal | None = None  # the open period's cost, before free balance
    soft: Decimal | None = None
    hard: Decimal | None = None

    def change_facts(self, facts: BillingFacts) -> BillingFacts:
        """Return the facts with the supposed limits."""
        soft = facts.soft if self.soft is None else self.soft or None
        hard = facts.hard if self.hard is None else self.hard or None
        return replace(facts, soft=soft, hard=hard)

    def change_period(self, period: CurrentPeriod) -> CurrentPeriod:
        """Return the open period with the supposed cost."""
        if self.spend is None:
            return period
        return replace(period, cost=replace(period.cost, cost=self.spend))


_AS_IT_IS = Supposition()


@dataclass(frozen=True, slots=True)
class ExpectedUsage:
    """The cost that is expected of each day from the first that is not complete.

    `spent` is the cost to date of the first days, of which only the rest is expected.
    """

    first: date
    profile: tuple[Decimal, ...]  # of whole days, a week
    spent: tuple[Decimal, ...]
    history_days: int  # complete days since the first usage, at most eight weeks

    def whole_day(self, day: date) -> Decimal:
        """Return the expected cost of a whole day, with what was spent of it."""
        return self.profile[(day - self.first).days % DAYS_OF_A_WEEK]

    def rest_of(self, day: date, part: Decimal = Decimal(1)) -> Decimal:
        """Return the cost that is still expected of a day, or of a part of it."""
        at = (day - self.first).days
        spent = self.spent[at] if at < len(self.spent) else ZERO
        with exactly():
            return max(self.whole_day(day) * part - spent, ZERO)

    def most_until(self, end: date) -> Decimal:
        """Return at least the cost of all days to `end`, in whole weeks."""
        weeks = max((end - self.first).days, 0) // DAYS_OF_A_WEEK + 1
        with exactly():
            return sum(self.profile, ZERO) * weeks

    @property
    def daily_average(self) -> Decimal:
        """Expected cost of an average day, the mean of a week."""
        with exactly():
            return (sum(self.profile, ZERO) / DAYS_OF_A_WEEK).quantize(_PLACES)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The open period to date, and what is expected of the rest of it.

    `ends_on`, the day of its end, is None when that is not known. Amounts to date are
    exact; what is expected is an estimate.
    """

    starts_at: datetime
    cost: PeriodCost
    free_balance: Decimal  # 0 unless in a trial
    usage: ExpectedUsage
    ends_on: date | None
    last_part: Decimal  # the part of the day `ends_on` that is in the period
    limits: tuple[LimitForecast, ...]  # the lowest first
    facts: BillingFacts

    @property
    def payable(self) -> Decimal:
        """Cost to date after free balance, which limits are compared with."""
        return self.facts.payable(self.cost.cost)

    @property
    def daily_average(self) -> Decimal:
        """Expected cost of an average day."""
        return self.usage.daily_average

    @property
    def rest(self) -> Decimal | None:
        """Expected cost from now to the period's end; None if that is not known."""
        return None if self.ends_on is None else self.rest_until(self.ends_on)

    @property
    def projected(self) -> Decimal | None:
        """Expected cost of the whole period; None if its end is not known."""
        with exactly():
            return None if self.rest is None else self.cost.cost + self.rest

    @property
    def last_day(self) -> date | None:
        """Last day of the period; None if its end is not known."""
        if self.ends_on is None or self.last_part:
            return self.ends_on
        return self.ends_on - ONE_DAY

    def rest_until(self, end: date) -> Decimal:
        """Return the expected cost from now to a day, at most to the period's end."""
        with exactly():
            return sum((cost for _, cost in self.expected_days(end)), ZERO)

    def expected_days(self, end: date) -> Iterator[tuple[date, Decimal]]:
        """Yield the period's days before `end` with what is still expected of each.

        If the period ends on `end` or before, that includes the part of its last day.
        """
        return _expected_days(self.usage, end, self.ends_on, self.last_part)

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


def history_days(now: datetime, zone: ZoneInfo) -> DayRange:
    """Return the eight complete weeks of the forecast, and the days since then."""
    first = first_incomplete_day(now, zone)
    return DayRange(first - timedelta(days=HISTORY_DAYS), day_of(now, zone) + ONE_DAY)


def first_incomplete_day(now: datetime, zone: ZoneInfo) -> date:
    """Return the first day whose usage may still arrive: today, or yesterday."""
    return day_of(now - timedelta(hours=SETTLES_HOURS), zone)


def get_forecast(
    organization: Organization, *, today: date, period: CurrentPeriod | None = None
) -> Forecast:
    """Return an organization's forecast; three queries, two if `period` is given."""
    now, zone = timezone.now(), organization.white_label.zone
    costs = costs_by_day({organization.id: history_days(now, zone)})
    return build_forecast(
        period or current_period(organization.id),
        billing_facts([organization.id])[organization.id],
        costs[organization.id],
        today=today,
        zone=zone,
        now=now,
    )


def list_forecasts(
    organizations: Sequence[Organization],
    *,
    now: datetime | None = None,
    supposed: Supposition = _AS_IT_IS,
) -> dict[int, Forecast]:
    """Return the forecasts of the organizations with a limit, by organization id.

    Three statements for any number of organizations.
    """
    now = now or timezone.now()
    facts = {
        id_: supposed.change_facts(row)
        for id_, row in billing_facts(row.id for row in organizations).items()
    }
    limited = [
        organization for organization in organizations if facts[organization.id].limits
    ]
    return _list_forecasts(limited, facts, supposed, now)


def forecast_all(organizations: Sequence[Organization]) -> dict[int, Forecast]:
    """Return the forecasts of organizations with an open period, by organization id.

    Three statements for any number of organizations.
    """
    facts = billing_facts(row.id for row in organizations)
    return _list_forecasts(organizations, facts, _AS_IT_IS, timezone.now())


def _list_forecasts(
    organizations: Sequence[Organization],
    facts: Mapping[int, BillingFacts],
    supposed: Supposition,
    now: datetime,
) -> dict[int, Forecast]:
    zones = {row.id: row.white_label.zone for row in organizations}
    periods = current_periods(zones)
    costs = costs_by_day({id_: history_days(now, zone) for id_, zone in zones.items()})
    return {
        id_: build_forecast(
            supposed.change_period(periods[id_]),
            facts[id_],
            costs[id_],
            today=day_of(now, zone),
            zone=zone,
            now=now,
        )
        for id_, zone in zones.items()
        if id_ in periods
    }


def build_forecast(
    period: CurrentPeriod,
    facts: BillingFacts,
    costs: Mapping[date, Decimal],
    *,
    today: date,
    zone: ZoneInfo,
    now: datetime,
) -> Forecast:
    """Return the forecast from data that was read already; no query.

    `costs` are by day, with those of `history_days` at least; days without cost may be
    left out.
    """
    usage = expect_usage(costs, today=today, zone=zone, now=now)
    closes_at = facts.closes_at
    is_ahead = closes_at is not None and closes_at > now
    ends_on = day_of(closes_at, zone) if closes_at and is_ahead else None
    last_part = _part_of_day(closes_at, zone) if closes_at and is_ahead else ZERO
    end = ends_on or today + timedelta(days=MAX_DAYS_AHEAD)
    days = partial(_expected_days, usage, end, ends_on, last_part)
    with exactly():
        payable = period.cost.cost - facts.usable_free_balance
        most = payable + usage.most_until(end)
    limits = tuple(
        _forecast_limit(
            kind,
            amount,
            payable=payable,
            days=days if amount <= most else tuple,
            facts=facts,
            zone=zone,
        )
        for kind, amount in facts.limits
    )
    return Forecast(
        starts_at=period.starts_at,
        cost=period.cost,
        free_balance=facts.usable_free_balance,
        usage=usage,
        ends_on=ends_on,
        last_part=last_part,
        limits=limits,
        facts=facts,
    )


def expect_usage(
    costs: Mapping[date, Decimal], *, today: date, zone: ZoneInfo, now: datetime
) -> ExpectedUsage:
    """Return what is expected of each day, from the costs by day until now."""
    first = first_incomplete_day(now, zone)
    history = [costs.get(day, ZERO) for day in _days_before(first)]
    start = next((at for at, cost in enumerate(history) if cost > 0), HISTORY_DAYS)
    forecast = forecast_costs(list(map(float, history)))
    is_today = first >= today
    return ExpectedUsage(
        first=first,
        profile=_to_decimals(forecast),
        spent=tuple(
            costs.get(day, ZERO) for day in ((first,) if is_today else (first, today))
        ),
        history_days=HISTORY_DAYS - start,
    )


@lru_cache(maxsize=50)
def _days_before(first: date) -> tuple[date, ...]:
    """Return the eight weeks before a day, which all organizations of a list share."""
    return tuple(first - timedelta(days=ago) for ago in range(HISTORY_DAYS, 0, -1))


def _to_decimals(forecast: WeekdayForecast) -> tuple[Decimal, ...]:
    with exactly():
        return tuple(Decimal(cost).quantize(_PLACES) for cost in forecast.profile)


def _part_of_day(at: datetime, zone: ZoneInfo) -> Decimal:
    """Return the part of its local day that has passed at an instant."""
    day = day_of(at, zone)
    start, end = first_instant(day, zone), first_instant(day + ONE_DAY, zone)
    return Decimal(str((at - start) / (end - start))) if end > start else ZERO


def _expected_days(
    usage: ExpectedUsage, end: date, ends_on: date | None, last_part: Decimal
) -> Iterator[tuple[date, Decimal]]:
    """Yield each day before `end`, and the part of `ends_on` that is in the period."""
    day = usage.first
    while day < (min(end, ends_on) if ends_on else end):
        yield day, usage.rest_of(day)
        day += ONE_DAY
    if ends_on and last_part and end >= ends_on:
        yield ends_on, usage.rest_of(ends_on, last_part)


def _forecast_limit(
    kind: str,
    amount: Decimal,
    *,
    payable: Decimal,
    days: Callable[[], Iterable[tuple[date, Decimal]]],
    facts: BillingFacts,
    zone: ZoneInfo,
) -> LimitForecast:
    """Return the forecast of a limit; `payable` is below 0 while balance is left.

    `days` gives the days ahead with their cost, or none where a year of them costs less
    than the limit: walking a year takes 3 ms, and a list has fifty organizations.
    """
    is_reached = is_limit_reached(payable, amount)
    at = facts.reached_at(kind) if is_reached else None
    return LimitForecast(
        kind,
        amount,
        is_reached=is_reached,
        projected_on=None if is_reached else _day_of_amount(amount, payable, days()),
        reached_on=None if at is None else day_of(at, zone),
    )


def _day_of_amount(
    amount: Decimal, payable: Decimal, days: Iterable[tuple[date, Decimal]]
) -> date | None:
    """Return the day by whose end the expected cost reaches an amount, if any does."""
    with exactly():
        for day, cost in days:
            payable += cost
            if cost and payable >= amount:
                return day
    return None
