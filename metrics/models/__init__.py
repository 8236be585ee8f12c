"""Tables of usage: events, rates, daily sums, the open period of each organization.

No other app reads these; they ask `metrics.queries` and `metrics.commands`.
"""

from metrics.models.corrections import Correction, Rerated
from metrics.models.daily import DailyMetric, DailyUsage, Standing
from metrics.models.events import OpenPeriod, UsageEvent
from metrics.models.fleet import FleetChange, FleetTotal
from metrics.models.integrations import Integration
from metrics.models.pending import Usage, UsageChange
from metrics.models.rates import PriceBook, Rate
from metrics.models.reports import UsageReport
from metrics.models.voids import UsageVoid

__all__ = [
    "Correction",
    "DailyMetric",
    "DailyUsage",
    "FleetChange",
    "FleetTotal",
    "Integration",
    "OpenPeriod",
    "PriceBook",
    "Rate",
    "Rerated",
    "Standing",
    "Usage",
    "UsageChange",
    "UsageEvent",
    "UsageReport",
    "UsageVoid",
]
