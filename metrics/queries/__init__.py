"""Reads of usage. Page, fragment, CSV, API and alert take a number from here."""

from metrics.queries.days import (
    DayMetrics,
    EntitlementUse,
    Measured,
    daily_metrics,
    entitlement_use,
)
from metrics.queries.fleet import (
    RecentCost,
    find_stale_standings,
    order_by_cost,
    recent_costs,
)
from metrics.queries.periods import (
    OpenPeriodFacts,
    PeriodCost,
    list_open_periods,
    open_period_costs,
    period_cost,
)
from metrics.queries.series import Amounts, Line, Series, SeriesFilters, series

__all__ = [
    "Amounts",
    "DayMetrics",
    "EntitlementUse",
    "Line",
    "Measured",
    "OpenPeriodFacts",
    "PeriodCost",
    "RecentCost",
    "Series",
    "SeriesFilters",
    "daily_metrics",
    "entitlement_use",
    "find_stale_standings",
    "list_open_periods",
    "open_period_costs",
    "order_by_cost",
    "period_cost",
    "recent_costs",
    "series",
]
