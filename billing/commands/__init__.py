"""Writes of money: periods and limits."""

from billing.commands.periods import close_period, open_first_periods

__all__ = ["close_period", "open_first_periods"]
