"""Writes of money: periods and limits."""

from billing.commands.limits import change_limit
from billing.commands.periods import close_period, open_first_periods

__all__ = ["change_limit", "close_period", "open_first_periods"]
