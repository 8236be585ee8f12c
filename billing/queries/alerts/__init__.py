"""Alerts: what is measured, what was recorded, and why."""

from billing.queries.alerts.candidates import list_after, list_due
from billing.queries.alerts.listing import list_fired, list_sent
from billing.queries.alerts.measuring import (
    Crossing,
    Measured,
    Suppose,
    find_crossings,
    measure,
)

__all__ = [
    "Crossing",
    "Measured",
    "Suppose",
    "find_crossings",
    "list_after",
    "list_due",
    "list_fired",
    "list_sent",
    "measure",
]
