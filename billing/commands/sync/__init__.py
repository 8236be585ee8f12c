"""Full sync: a white label's share of all that Stripe has, and what drifted."""

from billing.commands.sync.reading import advance
from billing.commands.sync.runs import find_forgotten, start, start_all

__all__ = ["advance", "find_forgotten", "start", "start_all"]
