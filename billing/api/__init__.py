"""The doors for programs: contract B, and what contract C says of balances."""

from billing.api.costs import router as balance_router
from billing.api.organizations import router as account_router

__all__ = ["account_router", "balance_router"]
