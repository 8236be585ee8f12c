"""What billing adds to the picture of costs."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from billing.queries import Outlook
from billing.queries.outlook import LimitOutlook
from metrics.periods import Grain, day_of
from orgs.charts import Chart, Limit, draw
from orgs.charts import Series as Drawn
from orgs.templatetags.display import day_year


def limit_line(ahead: Outlook, *, grain: Grain, zone: ZoneInfo) -> Limit | None:
    """The next spending limit: whole beside months, beside days its even share.

    Without an end of the period there is no share.
    """
    limit = ahead.next_limit
    if limit is None:
        return None
    if grain is Grain.MONTHLY:
        return Limit(limit.amount, limit.label)
    if ahead.ends_on is None:
        return None
    days = max((ahead.ends_on - day_of(ahead.starts_at, zone)).days, 1)
    return Limit(limit.amount / days, f"daily pace of the {limit.label}")


# --- the open period against its limits ---------------------------------------------

PERIOD_DAYS = 62  # so far back the picture goes
_AHEAD_DAYS = 45


def period_start(ahead: Outlook, today: date, zone: ZoneInfo) -> date:
    """The first day of the picture: the period's, or what is left of a long one."""
    began = day_of(ahead.starts_at, zone)
    return min(max(began, today - timedelta(days=PERIOD_DAYS - 1)), today)


def period_chart(
    ahead: Outlook, costs: Mapping[date, Decimal], *, today: date, currency: str
) -> Chart | None:
    """What is payable, day by day up to now, and where the pace of a week leads.

    `costs` are of the days up to today. Counted back from what the period costs now, so
    that the last point is the number that limits are held against.
    """
    limit = ahead.next_limit
    if limit is None or not ahead.cost.cost:
        return None
    spent = _payable_by_day(ahead, costs)
    to_come = _days_ahead(ahead, limit, today)
    here = spent[-1]
    pace = [here + ahead.pace_per_day * number for number in range(len(to_come) + 1)]
    before = len(spent) - 1
    series: list[Drawn] = [
        Drawn("Payable so far", [*spent, *[None] * len(to_come)], is_level=True)
    ]
    if to_come:
        series.append(Drawn("At this rate", [*[None] * before, *pace], is_level=True))
    return draw(
        id="period-chart",
        title="Payable cost of the open period against its limit",
        days=[*sorted(costs), *to_come],
        series=series,
        unit="usd",
        currency=currency,
        kind="lines",
        caption=_where(limit),
        limit=Limit(limit.amount, limit.label),
    )


def _payable_by_day(ahead: Outlook, costs: Mapping[date, Decimal]) -> list[Decimal]:
    left, found = ahead.cost.cost, []
    for day in sorted(costs, reverse=True):
        found.append(ahead.facts.payable(max(left, Decimal(0))))
        left -= costs[day]
    return found[::-1]


def _days_ahead(ahead: Outlook, limit: LimitOutlook, today: date) -> list[date]:
    """To the period's end, or, where that is not known, to the crossing."""
    end = ahead.ends_on or limit.crosses_on
    if end is None or not ahead.pace_per_day:
        return []
    days = min((end - today).days, _AHEAD_DAYS)
    return [today + timedelta(days=number + 1) for number in range(days)]


def _where(limit: LimitOutlook) -> str:
    if limit.is_crossed:
        return f"The {limit.label} is reached."
    if limit.crosses_on is None:
        return f"At the rate of the last 7 days the {limit.label} is not reached."
    on = day_year(limit.crosses_on)
    return f"At the rate of the last 7 days the {limit.label} falls on {on}."
