"""Refusals of this app."""

from orgs.errors import Conflict


class PeriodClosed(Conflict):
    code = "billing.period_closed"
