"""Reads of money: the fleet's list, an organization's outlook, its invoices."""

from billing.queries.fleet import (
    STATES,
    FleetFilters,
    FleetPage,
    FleetRow,
    State,
    fleet_page,
)
from billing.queries.outlook import LimitOutlook, Outlook, outlook
from billing.queries.standing import Badge, badges, badges_of, list_invoices

__all__ = [
    "STATES",
    "Badge",
    "FleetFilters",
    "FleetPage",
    "FleetRow",
    "LimitOutlook",
    "Outlook",
    "State",
    "badges",
    "badges_of",
    "fleet_page",
    "list_invoices",
    "outlook",
]
