"""API endpoints: contract B, access, needs action, and contract C's balances."""

from billing.api.access import ACCESS_JOIN, access_answer
from billing.api.access import router as access_router
from billing.api.costs import router as balance_router
from billing.api.differences import router as difference_router
from billing.api.forecast import router as forecast_router
from billing.api.needs_action import router as needs_action_router
from billing.api.organizations import router as account_router

__all__ = [
    "ACCESS_JOIN",
    "access_answer",
    "access_router",
    "account_router",
    "balance_router",
    "difference_router",
    "forecast_router",
    "needs_action_router",
]
