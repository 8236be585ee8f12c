"""The figures of past days, for a backfill: what was recorded by the end of each day.

Usage is counted on the days that it happened, as the charts have it, also if it was
reported later. Limits, entitlements, access and forecasts of the past are not known.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from billing.integrations.queries.figures import UsageKey, usage_figures
from billing.models import BillingPeriod
from metrics.push.sources import DayFigures, Figure
from metrics.queries.day_usage import DayUsage, list_day_usage
from orgs.days import ONE_DAY, first_instant
from orgs.models import Organization

_INSTANT = timedelta(milliseconds=1)
_Sums = dict[UsageKey, tuple[int, Decimal, int]]


def list_days(organization: Organization, first: date, last: date) -> list[DayFigures]:
    """Return the figures of the end of each day of a range, `last` included.

    Two statements, of which one reads all daily usage up to then.
    """
    periods = _list_periods(organization)
    usage = _by_day(list_day_usage(organization.pk, until=last))
    sums: dict[int, _Sums] = defaultdict(dict)
    total, result = Decimal(0), []
    for day in _days(min([first, *usage]), last):
        total += _add(sums, usage.get(day, ()))
        end = first_instant(day + ONE_DAY, organization.white_label.zone)
        if day >= first:
            period_sums = sums.get(_period_at(periods, end), {})
            figures = _figures(period_sums, total, organization)
            result.append(DayFigures(end - _INSTANT, figures))
    return result


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _list_periods(organization: Organization) -> list[tuple[int, datetime]]:
    """Return number and start of each period, in order."""
    rows = BillingPeriod.objects.filter(organization=organization).order_by("number")
    return list(rows.values_list("number", "starts_at"))


def _period_at(periods: Sequence[tuple[int, datetime]], end: datetime) -> int:
    """Return the number of the period in which a day ended, the first before it."""
    started = [number for number, starts_at in periods if starts_at < end]
    return started[-1] if started else periods[0][0]


def _by_day(rows: Sequence[DayUsage]) -> dict[date, list[DayUsage]]:
    days: dict[date, list[DayUsage]] = defaultdict(list)
    for row in rows:
        days[row.day].append(row)
    return days


def _add(sums: dict[int, _Sums], rows: Sequence[DayUsage]) -> Decimal:
    """Add the usage of a day to the sums of its periods and return its cost."""
    for row in rows:
        key = row.product, row.meter
        quantity, cost, unpriced = sums[row.period].get(key, (0, Decimal(0), 0))
        sums[row.period][key] = (
            quantity + row.quantity,
            cost + row.cost,
            unpriced + row.unpriced,
        )
    return sum((row.cost for row in rows), Decimal(0))


def _figures(sums: _Sums, total: Decimal, organization: Organization) -> list[Figure]:
    currency = organization.white_label.currency
    labels = (("currency", currency),)
    cost = sum((cost for _, cost, _ in sums.values()), Decimal(0))
    return [
        Figure("orgdesk_period_cost", cost, labels),
        Figure("orgdesk_cost_total", total, labels),
        *usage_figures(sums, currency),
    ]
