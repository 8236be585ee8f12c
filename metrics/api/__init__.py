"""API endpoints of usage, rates and costs, and those of contract A that read usage."""

from metrics.api.costs import router as costs_router
from metrics.api.rates import router as rates_router
from metrics.api.recorded_events import router as events_router
from metrics.api.usage import router as usage_router
from metrics.api.white_labels import router as whitelabel_router

__all__ = [
    "costs_router",
    "events_router",
    "rates_router",
    "usage_router",
    "whitelabel_router",
]
