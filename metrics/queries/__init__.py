"""Reads of usage. Page, fragment, CSV, API and alert take a number from here."""

from metrics.queries.compute import ComputeTime, compute_time, has_usage_since
from metrics.queries.current import CurrentPeriod, cost_of_days, current_period
from metrics.queries.days import (
    DayMetrics,
    EntitlementUse,
    Measured,
    contract_start,
    daily_metrics,
    entitlement_use,
)
from metrics.queries.fleet import (
    COST_KEY,
    Largest,
    RecentCost,
    find_stale_standings,
    list_largest,
    recent_costs,
)
from metrics.queries.fleet_series import (
    Compared,
    FleetTotals,
    MeterTotal,
    count_unfolded,
    fleet_series,
    fleet_totals,
)
from metrics.queries.integrations import (
    IntegrationFacts,
    Target,
    find_target,
    integrations,
)
from metrics.queries.items import (
    Deployment,
    Item,
    by_dimension,
    cost_items,
    deployments,
    find_deployment,
)
from metrics.queries.periods import (
    OpenPeriodFacts,
    PeriodCost,
    list_open_periods,
    open_period_costs,
    open_period_meters,
    period_cost,
    period_costs,
)
from metrics.queries.reports import list_reports
from metrics.queries.series import (
    Amounts,
    By,
    CostDigits,
    Line,
    Series,
    SeriesFilters,
    cost_digits,
    series,
)
from metrics.queries.versions import usage_version

__all__ = [
    "COST_KEY",
    "Amounts",
    "By",
    "Compared",
    "ComputeTime",
    "CostDigits",
    "CurrentPeriod",
    "DayMetrics",
    "Deployment",
    "EntitlementUse",
    "FleetTotals",
    "IntegrationFacts",
    "Item",
    "Largest",
    "Line",
    "Measured",
    "MeterTotal",
    "OpenPeriodFacts",
    "PeriodCost",
    "RecentCost",
    "Series",
    "SeriesFilters",
    "Target",
    "by_dimension",
    "compute_time",
    "contract_start",
    "cost_digits",
    "cost_items",
    "cost_of_days",
    "count_unfolded",
    "current_period",
    "daily_metrics",
    "deployments",
    "entitlement_use",
    "find_deployment",
    "find_stale_standings",
    "find_target",
    "fleet_series",
    "fleet_totals",
    "has_usage_since",
    "integrations",
    "list_largest",
    "list_open_periods",
    "list_reports",
    "open_period_costs",
    "open_period_meters",
    "period_cost",
    "period_costs",
    "recent_costs",
    "series",
    "usage_version",
]
