"""The doors for programs: what organizations cost, and contract A."""

from metrics.api.costs import router as costs_router
from metrics.api.events import router as events_router

__all__ = ["costs_router", "events_router"]
