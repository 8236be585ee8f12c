"""The doors for programs: contract B, and what contract C says of balances."""

from billing.api.access import BESIDE as ACCESS_BESIDE
from billing.api.access import answer as access_answer
from billing.api.access import router as access_router
from billing.api.costs import router as balance_router
from billing.api.organizations import router as account_router

__all__ = [
    "ACCESS_BESIDE",
    "access_answer",
    "access_router",
    "account_router",
    "balance_router",
]
