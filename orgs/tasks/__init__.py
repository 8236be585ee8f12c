"""How workers are woken: by a nudge about one row, or by what many calls gathered."""

from orgs.tasks.gathering import gather, gathered
from orgs.tasks.nudging import nudge

__all__ = ["gather", "gathered", "nudge"]
