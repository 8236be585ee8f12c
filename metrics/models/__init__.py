"""Tables of usage: events, rates, daily usage, and each organization's open period.

Other apps never read them directly: they call `metrics.queries` and
`metrics.commands`.
"""

from metrics.models.carried import CarriedUsage, LatePricing
from metrics.models.corrections import Correction, PeriodRerating
from metrics.models.daily import DailyMetric, DailyUsage, OrganizationRanking
from metrics.models.events import OpenPeriod, UsageEvent
from metrics.models.fleet import FleetTotal, PendingFleetUsage
from metrics.models.integrations import Integration
from metrics.models.pending import PendingUsage, Usage
from metrics.models.pushes import Push, PushBackfill
from metrics.models.rates import PriceBook, Rate
from metrics.models.reports import UsageReport
from metrics.models.rerate_runs import RerateRun
from metrics.models.storage import StorageDay, StorageRefund
from metrics.models.voids import UsageVoid

__all__ = [
    "CarriedUsage",
    "Correction",
    "DailyMetric",
    "DailyUsage",
    "FleetTotal",
    "Integration",
    "LatePricing",
    "OpenPeriod",
    "OrganizationRanking",
    "PendingFleetUsage",
    "PendingUsage",
    "PeriodRerating",
    "PriceBook",
    "Push",
    "PushBackfill",
    "Rate",
    "RerateRun",
    "StorageDay",
    "StorageRefund",
    "Usage",
    "UsageEvent",
    "UsageReport",
    "UsageVoid",
]
