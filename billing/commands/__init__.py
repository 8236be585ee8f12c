"""Writes of money: periods and limits."""

from billing.commands.limits import change_limit, change_limits
from billing.commands.periods import (
    close_by_hand,
    close_period,
    close_periods,
    open_first_periods,
)
from billing.commands.standings import fill_limit_standings

__all__ = [
    "change_limit",
    "change_limits",
    "close_by_hand",
    "close_period",
    "close_periods",
    "fill_limit_standings",
    "open_first_periods",
]
